// gallery.js: the gallery as a whole: a map of its vectors, and the audit.
import { get } from './api.js'
import { $, attempt, el, plural } from './faces.js'

// ---- map ----

let points = []
let chosen = -1

// A colour for each name, the same every time: hues far apart for names that are near.
function hue (name) {
  let h = 0
  for (const c of name) h = (h * 31 + c.codePointAt(0)) >>> 0
  return (h * 137.508) % 360
}

function place (point, canvas) {
  const r = 0.46 * Math.min(canvas.width, canvas.height)
  return [canvas.width / 2 + r * point.x, canvas.height / 2 + r * point.y]
}

function draw () {
  const canvas = $('map-canvas'), context = canvas.getContext('2d')
  const dark = matchMedia('(prefers-color-scheme: dark)').matches
  context.clearRect(0, 0, canvas.width, canvas.height)
  points.forEach((point, i) => {
    const [x, y] = place(point, canvas), same = chosen >= 0 && points[chosen].person === point.person
    context.beginPath()
    context.arc(x, y, same ? 8 : 5, 0, 2 * Math.PI)
    context.fillStyle = `hsl(${hue(point.person)} 65% ${dark ? 65 : 42}%)`
    context.globalAlpha = chosen < 0 || same ? 0.9 : 0.3
    context.fill()
    if (i === chosen) { context.lineWidth = 3; context.strokeStyle = dark ? '#fff' : '#000'; context.stroke() }
  })
  context.globalAlpha = 1
}

function choose (i) {
  chosen = i
  draw()
  if (i < 0) return
  const person = points[i].person, count = points.filter((p) => p.person === person).length
  $('map-point').textContent = `${person}: ${plural(count, 'photo', 'photos')} on this map`
}

function onClick (event) {
  const canvas = $('map-canvas'), box = canvas.getBoundingClientRect()
  const x = (event.clientX - box.left) * canvas.width / box.width, y = (event.clientY - box.top) * canvas.height / box.height
  let best = -1, least = 20
  points.forEach((point, i) => {
    const [px, py] = place(point, canvas), far = Math.hypot(px - x, py - y)
    if (far < least) { least = far; best = i }
  })
  choose(best)
}

function onKey (event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
  if (!step || !points.length) return
  event.preventDefault()
  choose((chosen + step + points.length) % points.length)
}

export async function enterMap () {
  await attempt(async () => {
    $('map-caption').textContent = 'Drawing …'
    const answer = await get(`/v1/map?kind=${$('map-kind').value}`)
    points = answer.points.sort((a, b) => a.person < b.person ? -1 : 1)
    chosen = -1
    $('map-point').textContent = ''
    $('map-caption').textContent = points.length < 3
      ? 'A map needs at least 3 photos.'
      : `${points.length < answer.photos ? `${points.length.toLocaleString('en')} of ${answer.photos.toLocaleString('en')} photos, drawn at random` : plural(points.length, 'photo', 'photos')}; one colour a person. Near means alike; what a plane cannot show is lost, so far apart means little. Click a dot, or go through them with the arrow keys.`
    draw()
  })
}

// ---- audit ----

let before = 0

// A search in words; anything else as it is kept.
function detailsText (d) {
  if (!d) return ''
  if (!Array.isArray(d.matches)) return JSON.stringify(d).replaceAll(',"', ', "')
  const closest = d.matches.slice(0, 3).map((m) => `no. ${m.person} (${m.cosine.toFixed(3)})`).join(', ')
  return `${d.known ? 'Known' : 'Unknown'}${typeof d.threshold === 'number' ? ` at the threshold ${d.threshold.toFixed(3)}` : ''}; closest: ${closest || 'nobody'}`
}

function row (r) {
  const details = r.fault ? `Fault: ${r.fault}` : detailsText(r.details)
  return el('tr', { class: r.fault ? 'fault' : '' },
    el('td', { class: 'num' }, String(r.number)), el('td', { class: 'num' }, (r.time || '').replace('T', ' ').replace(/\.\d+Z$/, '')),
    el('td', {}, r.who || ''), el('td', {}, r.action || ''), el('td', {}, r.person || (r.person_id ? `no. ${r.person_id}` : '')), el('td', {}, details))
}

async function auditPage (fresh) {
  const answer = await get('/v1/audit?limit=100' + (fresh ? '' : `&before=${before}`))
  if (fresh) $('audit-rows').replaceChildren()
  $('audit-rows').append(...answer.rows.map(row))
  before = answer.rows.length ? answer.rows[answer.rows.length - 1].number : before
  $('audit-more').hidden = !answer.more
  $('audit-state').textContent = answer.faults
    ? `${plural(answer.faults, 'fault', 'faults')}: the log was changed from outside, or is damaged.`
    : 'Every row is as it was written: each is chained to the one before by its hash.'
}
export const enterAudit = () => attempt(() => auditPage(true))

export function start () {
  $('map-kind').addEventListener('change', enterMap)
  const canvas = $('map-canvas')
  canvas.tabIndex = 0
  canvas.addEventListener('click', onClick)
  canvas.addEventListener('keydown', onKey)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
  $('audit-more').addEventListener('click', () => attempt(() => auditPage(false)))
}
