// people.js: who is enrolled: browse, search, enroll, rename, merge, delete. What deletes says first what goes.
import { events, get, post, send } from './api.js'
import { $, alarm, attempt, droppable, el, enrolled, percent, plural, question, say } from './faces.js'

let role = 'admin'
let after = null
let turn = 0
const may = (needed) => ['read', 'enroll', 'admin'].indexOf(role) >= ['read', 'enroll', 'admin'].indexOf(needed)
const path = (person, rest = '') => `/v1/people/${encodeURIComponent(person)}${rest}`

export function allow (given) {
  role = given
  $('enroll').hidden = !may('enroll')
}

// ---- one person ----

async function remove (person, photos, item) {
  const agreed = await question({
    title: `Delete ${person}?`,
    text: `This deletes ${person} and all ${plural(photos, 'enrolled photo', 'enrolled photos')}: vectors, kept pictures and names. It cannot be undone. The audit keeps that it was done, without the name.`,
    yes: 'Delete',
    danger: true
  })
  if (!agreed) return
  await attempt(async () => {
    const { photos: gone } = await send('DELETE', path(person))
    item.remove()
    await told()
    say(`${person} and ${plural(gone, 'photo', 'photos')} were deleted.`)
  })
}

async function rename (person) {
  const name = await question({ title: `Rename ${person}`, yes: 'Rename', input: 'New name', value: person })
  if (!name || name === person) return
  await attempt(async () => {
    await send('PATCH', path(person), { person: name })
    say(`${person} is now called ${name}.`)
    await list()
  })
}

async function mergeAsk (person, into) {
  const agreed = await question({
    title: `Merge ${person} into ${into}?`,
    text: `All photos of ${person} become photos of ${into}, and the name ${person} goes. To undo it, photos must be moved back one by one.`,
    yes: 'Merge'
  })
  if (!agreed) return false
  return attempt(async () => {
    const { moved } = await send('POST', path(person, '/merge'), { into })
    say(`${plural(moved, 'photo', 'photos')} of ${person} are now photos of ${into}.`)
    await list()
    return true
  })
}

async function merge (person) {
  const into = await question({ title: `Merge ${person}`, text: 'Into whom? Their photos then stand under one name.', yes: 'Go on', input: 'Name' })
  if (into) await mergeAsk(person, into)
}

function photoItem (photo, person) {
  const gone = async () => {
    const agreed = await question({ title: 'Delete this photo?', text: `This deletes the photo ${photo.photo} of ${person}: its vector and kept picture. With the last photo the person goes too.`, yes: 'Delete', danger: true })
    if (!agreed) return
    await attempt(async () => { await send('DELETE', `/v1/photos/${photo.photo_id}`); item.remove(); say('The photo was deleted.') })
  }
  const item = el('li', {},
    photo.crop ? enrolled(photo.photo_id, `photo ${photo.photo} of ${person}`) : el('div', { class: 'none' }, 'no picture kept'),
    el('div', {}, photo.photo),
    el('div', { class: 'quiet' }, photo.quality === null ? 'quality not told' : `quality ${percent(photo.quality)}`, `, ${photo.added.slice(0, 10)}`),
    may('admin') ? el('button', { type: 'button', class: 'danger', onclick: gone, 'aria-label': `Delete photo ${photo.photo}` }, 'Delete') : null)
  return item
}

async function open (person, place) {
  await attempt(async () => {
    const { photos } = await get(path(person))
    place.replaceChildren(...photos.map((photo) => photoItem(photo, person)))
  })
}

function personItem ({ person, photos, added }) {
  const place = el('ul', { class: 'photos', 'aria-label': `Photos of ${person}` })
  const details = el('details', {},
    el('summary', {}, el('strong', {}, person), ` ${plural(photos, 'photo', 'photos')}, since ${added.slice(0, 10)}`),
    may('enroll')
      ? el('div', { class: 'row' },
        el('button', { type: 'button', onclick: () => { $('enroll-name').value = person; $('enroll').scrollIntoView(); $('enroll-name').focus() } }, 'Enroll more photos'),
        may('admin') ? el('button', { type: 'button', onclick: () => rename(person) }, 'Rename') : null,
        may('admin') ? el('button', { type: 'button', onclick: () => merge(person) }, 'Merge') : null,
        may('admin') ? el('button', { type: 'button', class: 'danger', onclick: () => remove(person, photos, item) }, 'Delete') : null)
      : null,
    place)
  const item = el('li', {}, details)
  details.addEventListener('toggle', () => { if (details.open) open(person, place) })
  return item
}

// ---- the list ----

async function page (fresh) {
  const mine = fresh ? ++turn : turn
  const search = $('search').value.trim()
  const query = new URLSearchParams({ limit: 50, ...(search && { search }), ...(!fresh && after !== null && { after }) })
  const { people, more } = await get(`/v1/people?${String(query).replaceAll('+', '%20')}`)
  if (mine !== turn) return
  if (fresh) $('people').replaceChildren()
  $('people').append(...people.map(personItem))
  after = people.length ? people[people.length - 1].person : after
  $('people-more').hidden = !more
  const shown = $('people').children.length
  $('people-count').textContent = shown ? `${plural(shown, 'person', 'people')}${more ? ', and more' : ''}` : search ? 'Nobody found' : 'Nobody is enrolled yet'
}
let told = () => {}
export function onChange (tell) { told = tell }
const list = () => attempt(async () => { await page(true); await told() })

// ---- enroll ----

function result (text, bad) { return el('li', { class: bad ? 'bad' : '' }, text) }

const face = (sign) => $('enroll-largest').checked ? `${sign}face=largest` : ''

async function enroll (files) {
  const person = $('enroll-name').value.trim()
  if (!person) {
    alarm('Say first whom the photos show: the name is empty.')
    $('enroll-name').focus()
    return
  }
  $('enroll-results').replaceChildren()
  let enrolledCount = 0
  for (const file of files) {
    say(`Enrolling ${file.name} …`)
    const url = path(person, `/photos?photo=${encodeURIComponent(file.name)}${face('&')}`)
    try {
      const answer = await post(url, file, file.type || 'application/octet-stream')
      enrolledCount += answer.enrolled
      const quality = answer.photos[0].enrolled[0]?.quality ?? 0
      $('enroll-results').append(result(`${file.name}: enrolled, quality ${percent(quality)}${quality < 0.3 ? '. A poor photo: a sharper, larger or more frontal one would be found better' : ''}`))
    } catch (error) {
      $('enroll-results').append(result(`Not enrolled: ${error.message.replace(/: say which .*/, ': tick "take the largest", or crop the photo')}`, true))
    }
  }
  say(`${plural(enrolledCount, 'photo', 'photos')} of ${person} enrolled.`)
  await list()
}

const jobText = (job) => ({
  queued: 'waiting for its turn', running: 'enrolling', done: 'done', failed: 'failed', cancelled: 'cancelled'
}[job.state] + `: ${job.done} of ${job.photos || '?'} photos looked at, ${plural(job.enrolled, 'photo', 'photos')} enrolled, ${job.skipped} skipped` + (job.problem ? `. ${job.problem.detail}` : ''))

async function zip (files) {
  await attempt(async () => {
    say(`Sending ${files[0].name} …`)
    const person = $('enroll-name').value.trim()
    const query = (person ? `&person=${encodeURIComponent(person)}` : '') + face('&')
    const job = await post(`/v1/jobs${query.replace('&', '?')}`, files[0], 'application/zip')
    say('')
    const bar = el('progress', { max: 1, value: 0, 'aria-label': 'Progress of the enrollment' })
    const text = el('p', {}, jobText(job)), problems = el('ul', { class: 'results' })
    const cancel = el('button', { type: 'button', onclick: () => attempt(() => send('DELETE', `/v1/jobs/${job.job}`)) }, 'Cancel')
    $('jobs').prepend(el('div', {}, bar, text, cancel, problems))
    await events(`/v1/jobs/${job.job}/events`, (now) => {
      bar.max = Math.max(1, now.photos)
      bar.value = now.done
      text.textContent = jobText(now)
      problems.replaceChildren(...now.problems.map((p) => el('li', {}, p.problem.detail)))
      if (!['queued', 'running'].includes(now.state)) cancel.remove()
    })
    await list()
  })
}

// ---- duplicates ----

async function duplicates () {
  await attempt(async () => {
    say('Comparing everybody with everybody …')
    const { pairs, looked_at: looked, people } = await get('/v1/duplicates')
    say('')
    $('duplicates').replaceChildren(
      el('h2', {}, pairs.length ? plural(pairs.length, 'pair that may be one person', 'pairs that may be one person') : 'No two people look like one'),
      el('p', { class: 'quiet' }, `${looked.toLocaleString('en')} of ${people.toLocaleString('en')} people were compared, one photo of each. Two people who look alike are not one person: compare them yourself.`),
      el('ul', { class: 'people' }, ...pairs.map(({ people: [a, b], photo_ids: [i, j], cosine }) => {
        const item = el('li', {}, el('div', { class: 'pair' },
          el('div', { class: 'suspect' }, enrolled(i, `photo of ${a}`), a), el('div', { class: 'suspect' }, enrolled(j, `photo of ${b}`), b),
          el('span', {}, `cosine ${cosine.toFixed(3)}`),
          may('admin') ? el('button', { type: 'button', onclick: async () => { if (await mergeAsk(b, a)) item.remove() } }, `Merge ${b} into ${a}`) : null,
          el('button', { type: 'button', onclick: () => item.remove() }, 'Two people')))
        return item
      })))
  })
}

export function start () {
  let wait = 0
  $('search').addEventListener('input', () => { clearTimeout(wait); wait = setTimeout(list, 200) })
  $('people-more').addEventListener('click', () => attempt(() => page(false)))
  $('duplicates-find').addEventListener('click', duplicates)
  droppable($('enroll'), (files) => {
    const zips = files.filter((f) => /\.zip$/i.test(f.name))
    return zips.length ? zip(zips) : enroll(files)
  }, $('enroll-files'))
  $('enroll-zip').addEventListener('change', () => {
    if ($('enroll-zip').files.length) zip([...$('enroll-zip').files])
    $('enroll-zip').value = ''
  })
}
export const enter = () => { list() }
