// app.js: which view is shown, and signing in.
import { get, onTokenNeeded, token } from './api.js'
import { $, alarm, attempt, plural, say } from './faces.js'
import * as probe from './probe.js'
import * as people from './people.js'
import * as gallery from './gallery.js'

const enter = { identify: () => {}, people: people.enter, map: gallery.enterMap, audit: gallery.enterAudit }

function show () {
  const name = location.hash.slice(1) in enter ? location.hash.slice(1) : 'identify'
  for (const view of Object.keys(enter)) $(`view-${view}`).hidden = view !== name
  for (const link of document.querySelectorAll('nav a')) {
    if (link.dataset.view === name) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  if (name !== 'identify') probe.leave()
  alarm('')
  say('')
  enter[name]()
}

let asking = null
onTokenNeeded((why) => {
  if (!asking) {
    asking = new Promise((resolve) => {
      const dialog = $('login')
      $('login-title').textContent = why.includes('not valid') ? 'This token is not valid' : 'A token is needed'
      $('login-token').value = ''
      dialog.oncancel = (event) => event.preventDefault()
      dialog.onclose = () => { token.set($('login-token').value.trim()); asking = null; resolve() }
      dialog.showModal()
    })
  }
  return asking
})

window.addEventListener('hashchange', () => { show(); $('main').focus() })
probe.start()
people.start()
gallery.start()
async function about () {
  const info = await get('/v1/info')
  $('where').textContent = `${plural(info.people, 'person', 'people')}, ${plural(info.photos, 'photo', 'photos')}`
  people.allow(info.role)
}
people.onChange(about)
attempt(about)
show()
