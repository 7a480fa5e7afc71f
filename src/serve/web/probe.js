// probe.js: a probe photo -> its faces -> for one of them the suspects, best first, beside it.
import { post } from './api.js'
import { $, alarm, attempt, cut, droppable, el, enrolled, gauge, percent, plural, say } from './faces.js'

const K = 10
let photo = null // the probe as an image that is upright, as the server sees it
let answer = null
let turn = 0 // only the latest probe is shown

// The photo as the API takes it: what the browser shows is what is sent, but smaller where it is very large.
async function load (blob) {
  const image = await createImageBitmap(blob, { imageOrientation: 'from-image' }).catch(() => null)
  if (!image) throw new Error(`${blob.name || 'this'}: is not an image that this browser can read`)
  return image
}

function draw () {
  const canvas = $('probe-canvas')
  canvas.width = photo.width
  canvas.height = photo.height
  canvas.getContext('2d').drawImage(photo, 0, 0)
}

const faceName = (i) => `face ${i + 1} of ${answer.faces.length}`

function boxes () {
  $('probe-boxes').replaceChildren(...answer.faces.map((face, i) => {
    const [x, y, w, h] = face.box
    const box = el('button', { type: 'button', 'aria-label': `Choose ${faceName(i)}`, 'aria-pressed': 'false', tabindex: -1, onclick: () => choose(i) }, el('span', {}, String(i + 1)))
    box.style.left = `${100 * x / photo.width}%`
    box.style.top = `${100 * y / photo.height}%`
    box.style.width = `${100 * w / photo.width}%`
    box.style.height = `${100 * h / photo.height}%`
    return box
  }))
}

function faceButtons () {
  $('faces').replaceChildren(...answer.faces.map((face, i) => el('button', {
    type: 'button', role: 'radio', 'aria-checked': 'false', 'aria-label': `${faceName(i)}, quality ${percent(face.quality)}`, tabindex: i ? -1 : 0, onclick: () => choose(i)
  }, cut(photo, face.box, 72), `${i + 1}: quality ${percent(face.quality)}`)))
}

// Arrow keys move within the group, as in every group of radio buttons.
function onArrow (event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
  const all = [...$('faces').children], at = all.indexOf(document.activeElement)
  if (!step || at < 0) return
  event.preventDefault()
  const next = (at + step + all.length) % all.length
  choose(next)
  all[next].focus()
}

function suspect (face, match, rank) {
  const past = match.cosine >= answer.threshold
  const facts = el('div', {},
    el('div', { class: 'name' }, `${rank}. ${match.person}`),
    match.probability === null ? null : el('div', {}, `Probability of a match: ${percent(match.probability)}`),
    gauge(match.cosine, answer.threshold),
    el('div', { class: 'quiet' }, `cosine ${match.cosine.toFixed(3)}, ${past ? 'past' : 'under'} the threshold ${answer.threshold.toFixed(3)}; photo ${match.photo}`))
  return el('li', { class: 'suspect' },
    el('div', {}, cut(photo, face.box), el('small', {}, 'probe')),
    el('div', {}, enrolled(match.photo_id, `enrolled photo of ${match.person}`), el('small', {}, 'enrolled')),
    facts)
}

function verdict (face) {
  if (!face.matches.length) {
    return [el('p', {}, el('strong', { class: 'unknown' }, 'Unknown'), ': the gallery is empty.')]
  }
  const best = face.matches[0]
  if (!face.known) {
    return [el('p', {}, el('strong', { class: 'unknown' }, 'Unknown'), ': nobody in the gallery is close enough.'),
      el('p', { class: 'quiet' }, `The closest, ${best.person}, is under the threshold (cosine ${best.cosine.toFixed(3)}, threshold ${answer.threshold.toFixed(3)}).`)]
  }
  return [el('p', {}, 'A suspect: ', el('strong', { class: 'known' }, face.person),
    best.probability === null ? '' : `, probability of a match ${percent(best.probability)}`),
  el('p', { class: 'quiet' }, 'A lead to follow, not an identification: compare the faces yourself.')]
}

function choose (i) {
  const face = answer.faces[i]
  ;[...$('faces').children].forEach((b, k) => { b.setAttribute('aria-checked', String(k === i)); b.tabIndex = k === i ? 0 : -1 })
  ;[...$('probe-boxes').children].forEach((b, k) => b.setAttribute('aria-pressed', String(k === i)))
  $('verdict').replaceChildren(...verdict(face))
  const rows = []
  let line = false
  face.matches.forEach((match, k) => {
    if (!line && match.cosine < answer.threshold) {
      rows.push(el('li', { class: 'threshold' }, `threshold ${answer.threshold.toFixed(3)}: below it, unknown`))
      line = true
    }
    rows.push(suspect(face, match, k + 1))
  })
  $('suspects').replaceChildren(...rows)
}

async function identify (blob) {
  const mine = ++turn
  await attempt(async () => {
    say('Looking for faces …')
    const image = await load(blob)
    const result = await post(`/v1/identify?k=${K}`, blob, blob.type || 'application/octet-stream')
    if (mine !== turn) return
    photo = image
    answer = result
    if (photo.width !== answer.width) throw new Error('the browser and the server do not agree on how this photo is turned')
    draw()
    boxes()
    faceButtons()
    $('probe').hidden = false
    $('suspects').replaceChildren()
    $('verdict').replaceChildren()
    $('probe-caption').textContent = `${answer.width} × ${answer.height} pixels` + (answer.left_out ? `; ${plural(answer.left_out, 'smaller face', 'smaller faces')} left out` : '')
    say(answer.faces.length ? plural(answer.faces.length, 'face found', 'faces found') + (answer.faces.length > 1 ? ': choose one' : '') : '')
    if (answer.faces.length) choose(0)
    else $('verdict').replaceChildren(el('p', {}, el('strong', { class: 'unknown' }, 'No face found'), ' in this photo.'))
  })
  if (mine === turn && $('alarm').textContent) say('')
}

// ---- camera ----

let stream = null

function cameraClose () {
  if (stream) stream.getTracks().forEach((t) => t.stop())
  stream = null
  $('camera').hidden = true
}

async function cameraOpen () {
  await attempt(async () => {
    if (!navigator.mediaDevices) throw new Error('the browser gives a camera to pages on this machine or over HTTPS only')
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } }).catch(() => { throw new Error('there is no camera, or the browser was not allowed to use it') })
    $('camera-video').srcObject = stream
    await $('camera-video').play()
    $('camera').hidden = false
    $('camera-shoot').focus()
  })
}

function cameraShoot () {
  const video = $('camera-video'), canvas = el('canvas', { width: video.videoWidth, height: video.videoHeight })
  canvas.getContext('2d').drawImage(video, 0, 0)
  cameraClose()
  canvas.toBlob((blob) => identify(blob), 'image/jpeg', 0.95)
}

export function start () {
  droppable($('drop'), (files) => identify(files[0]), $('file'))
  $('faces').addEventListener('keydown', onArrow)
  $('camera-open').addEventListener('click', cameraOpen)
  $('camera-close').addEventListener('click', () => { cameraClose(); $('camera-open').focus() })
  $('camera-shoot').addEventListener('click', cameraShoot)
  document.addEventListener('paste', (event) => {
    if ($('view-identify').hidden) return
    const file = [...event.clipboardData.files].find((f) => f.type.startsWith('image/'))
    if (file) identify(file)
    else if (!event.target.closest('input')) alarm('what was pasted is no image')
  })
}
export const leave = cameraClose
