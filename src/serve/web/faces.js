// faces.js: small things that the views share: elements, messages, faces cut from a photo, gauges, questions.
import { crop } from './api.js'

export const $ = (id) => document.getElementById(id)

// el('li', { class: 'x', onclick: f }, 'text', child): text is always text, never markup.
export function el (tag, attributes = {}, ...children) {
  const e = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value)
    else if (value === true) e.setAttribute(name, '')
    else if (value !== false && value !== null && value !== undefined) e.setAttribute(name, value)
  }
  e.append(...children.filter((c) => c !== null && c !== undefined))
  return e
}

export const say = (text) => { $('say').textContent = text }
export const alarm = (text) => { $('alarm').textContent = text }
// Runs an action; what goes wrong is said and not thrown further.
export async function attempt (action) {
  alarm('')
  try {
    return await action()
  } catch (error) {
    if (error.name !== 'AbortError') alarm(error.message)
    return undefined
  }
}

export const percent = (p) => p > 0.9995 ? 'over 99.9 %' : p < 0.0005 ? 'under 0.1 %' : `${(100 * p).toFixed(1)} %`
export const plural = (n, one, many) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`

// The square around a face, of an image or canvas, as a small canvas.
export function cut (image, box, side = 96, room = 1.35) {
  const canvas = el('canvas', { width: 2 * side, height: 2 * side })
  const [x, y, w, h] = box, size = room * Math.max(w, h)
  const context = canvas.getContext('2d')
  context.imageSmoothingQuality = 'high'
  context.drawImage(image, x + (w - size) / 2, y + (h - size) / 2, size, size, 0, 0, 2 * side, 2 * side)
  return canvas
}

// The enrolled photo, or a place that says that none was kept.
export function enrolled (id, alt) {
  const place = el('div', { class: 'none', role: 'img', 'aria-label': `${alt}: no picture kept` }, 'no picture kept')
  crop(id).then((address) => { if (address) place.replaceWith(el('img', { src: address, alt, width: 96, height: 96 })) })
  return place
}

// A cosine from 0 to 1, with the threshold as a mark.
export function gauge (cosine, threshold) {
  const bar = el('i'), mark = el('b')
  bar.style.width = `${100 * Math.max(0, Math.min(1, cosine))}%`
  mark.style.left = `${100 * Math.max(0, Math.min(1, threshold))}%`
  return el('div', { class: cosine >= threshold ? 'gauge known' : 'gauge', role: 'img', 'aria-label': `cosine ${cosine.toFixed(3)}, threshold ${threshold.toFixed(3)}` }, bar, mark)
}

// A question in a dialog: false, or true, or with `input` the text.
export function question ({ title, text, yes, danger = false, input = null, value = '' }) {
  const dialog = $('ask')
  $('ask-title').textContent = title
  $('ask-text').textContent = text || ''
  $('ask-yes').textContent = yes
  $('ask-yes').className = danger ? 'danger' : 'primary'
  $('ask-label').hidden = input === null
  $('ask-name').textContent = input || ''
  $('ask-input').value = value
  $('ask-input').required = input !== null
  dialog.returnValue = 'no'
  dialog.showModal()
  if (input !== null) $('ask-input').select()
  return new Promise((resolve) => dialog.addEventListener('close', () => {
    const agreed = dialog.returnValue === 'ok'
    resolve(agreed && input !== null ? $('ask-input').value.trim() || false : agreed)
  }, { once: true }))
}

// Files dropped on an element, or chosen with an input.
export function droppable (element, on, input) {
  const over = (is) => (event) => { event.preventDefault(); element.classList.toggle('over', is) }
  element.addEventListener('dragenter', over(true))
  element.addEventListener('dragover', over(true))
  element.addEventListener('dragleave', over(false))
  element.addEventListener('drop', (event) => {
    over(false)(event)
    if (event.dataTransfer.files.length) on([...event.dataTransfer.files])
  })
  if (!input) return
  input.addEventListener('change', () => {
    if (input.files.length) on([...input.files])
    input.value = ''
  })
}
