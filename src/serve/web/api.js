// api.js: asks the server. A token, where one is needed, stays in this tab; what goes wrong comes as an Error with
// the server's own words.
const key = 'likeness-token'

export class Problem extends Error {
  constructor (status, title, detail) {
    super(detail || title)
    this.status = status
    this.title = title
  }
}

export const token = {
  get: () => sessionStorage.getItem(key) || '',
  set: (text) => sessionStorage.setItem(key, text),
  forget: () => sessionStorage.removeItem(key)
}

let askForToken = null
export function onTokenNeeded (ask) { askForToken = ask }

async function problemOf (response) {
  let title = response.statusText, detail = ''
  try { ({ title, detail } = await response.json()) } catch { /* no JSON: the status line has to do */ }
  return new Problem(response.status, title, detail)
}

export async function ask (path, { method = 'GET', body = null, type = null, signal = null } = {}) {
  for (;;) {
    const headers = { 'X-Likeness': '1' }
    if (type) headers['Content-Type'] = type
    if (token.get()) headers.Authorization = `Bearer ${token.get()}`
    let response
    try {
      response = await fetch(path, { method, body, headers, signal, cache: 'no-store', credentials: 'omit' })
    } catch (error) {
      if (error.name === 'AbortError') throw error
      throw new Problem(0, 'no answer', 'The server does not answer. Is it still running?')
    }
    if (response.ok) return response
    const problem = await problemOf(response)
    if (problem.status !== 401 || !askForToken) throw problem
    token.forget()
    await askForToken(problem.message)
  }
}

export const get = async (path) => (await ask(path)).json()
export const send = async (method, path, value) => (await ask(path, value === undefined
  ? { method }
  : { method, body: JSON.stringify(value), type: 'application/json' })).json()
export const post = async (path, body, type) => (await ask(path, { method: 'POST', body, type })).json()

// The kept crop of an enrolled photo as an address for an <img>, or null.
const crops = new Map()
export async function crop (id) {
  if (!crops.has(id)) {
    crops.set(id, ask(`/v1/photos/${id}/crop`).then((r) => r.blob()).then((b) => URL.createObjectURL(b), () => null))
    if (crops.size > 500) crops.delete(crops.keys().next().value)
  }
  return crops.get(id)
}

// Server-sent events over fetch, as EventSource cannot send a token.
export async function events (path, on, signal) {
  const response = await ask(path, { signal })
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    text += value
    let end
    while ((end = text.indexOf('\n\n')) >= 0) {
      const data = text.slice(0, end).split('\n').filter((l) => l.startsWith('data: ')).map((l) => l.slice(6)).join('\n')
      text = text.slice(end + 2)
      if (data) on(JSON.parse(data))
    }
  }
}
