#!/usr/bin/env node
/* serve.cjs: the page of likeness serve in a real browser, headless: each flow as an operator would go through it.
 *
 *   node tests/web/serve.cjs        LIKENESS and LK_SOURCE as for tests/cli; SHOTS=DIR keeps a screenshot of each view
 *
 * Needs Debian's chromium and the npm package playwright-core, in $LIKENESS_PLAYWRIGHT (a folder with node_modules) or
 * build/peers: npm install --prefix build/peers playwright-core. Without them: exit code 77. The faces are of people who
 * do not exist. */
'use strict'
const { execFileSync, spawn } = require('child_process')
const assert = require('assert')
const fs = require('fs')
const os = require('os')
const path = require('path')

const source = process.env.LK_SOURCE || path.join(__dirname, '..', '..')
const likeness = process.env.LIKENESS || path.join(source, 'build', 'release', 'likeness')
const draw = process.env.LIKENESS_DRAW || path.join(source, 'build', 'release', 'cli_draw')
const chromium = process.env.CHROMIUM || '/usr/bin/chromium'
let playwright
try {
  playwright = require(require.resolve('playwright-core', { paths: [process.env.LIKENESS_PLAYWRIGHT || path.join(source, 'build', 'peers')] }))
} catch {
  console.log('skipped: no playwright-core')
  process.exit(77)
}
if (!fs.existsSync(chromium)) {
  console.log(`skipped: no ${chromium}`)
  process.exit(77)
}

const T = fs.mkdtempSync(path.join(os.tmpdir(), 'likeness-web.'))
const model = (name) => path.join(source, 'models', `${name}.safetensors`)
const run = (...words) => execFileSync(likeness, words, { cwd: T, stdio: ['ignore', 'pipe', 'pipe'] })
const people = (p, k) => path.join(T, 'people', `person_000${p}`, `photo_0${k}.jpg`)

async function serve (...words) {
  const child = spawn(likeness, ['serve', 'g.gallery', '--listen', '127.0.0.1:0', '--detector', model('detect'), ...words], { cwd: T, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  const url = await new Promise((resolve, reject) => {
    child.stderr.on('data', (d) => {
      log += d
      const found = /serving on (\S+)/.exec(log)
      if (found) resolve(found[1])
    })
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${log}`)))
  })
  const stop = () => new Promise((resolve) => { child.removeAllListeners('exit'); child.on('exit', resolve); child.kill('SIGTERM') })
  return { url, stop, log: () => log }
}

let shots = 0
async function shot (page, name) {
  if (!process.env.SHOTS) return
  fs.mkdirSync(process.env.SHOTS, { recursive: true })
  await page.waitForTimeout(200)
  await page.screenshot({ path: path.join(process.env.SHOTS, `${String(++shots).padStart(2, '0')}-${name}.png`), fullPage: true })
}

/* A page on which nothing may go wrong unseen: errors of scripts, blocked loads, requests to anywhere else. */
async function open (browser, url, options, faults) {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  page.on('pageerror', (e) => faults.push(`script: ${e.message}`))
  page.on('console', (m) => { if (m.type() === 'error' && !/status of 4\d\d/.test(m.text())) faults.push(`console: ${m.text()}`) })
  page.on('request', (r) => { if (!r.url().startsWith(url) && !r.url().startsWith('blob:')) faults.push(`asks elsewhere: ${r.url()}`) })
  await page.goto(url)
  return page
}

const text = (page, selector) => page.locator(selector).innerText()
const see = (page, selector, what) => page.locator(selector).filter({ hasText: what }).first().waitFor({ timeout: 20000 })

async function drop (page, selector, files) {
  const data = await page.evaluateHandle((list) => {
    const transfer = new DataTransfer()
    for (const { name, type, bytes } of list) transfer.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type }))
    return transfer
  }, files.map((f) => ({ name: path.basename(f), type: 'image/jpeg', bytes: fs.readFileSync(f).toString('base64') })))
  await page.locator(selector).dispatchEvent('drop', { dataTransfer: data })
}

const flows = {
  async 'choose a file: the suspects, best first' (page) {
    await page.locator('#file').setInputFiles(people(1, 1))
    await see(page, '#verdict', 'A suspect: person_0001')
    assert.match(await text(page, '#verdict'), /a lead to follow, not an identification/i)
    assert.match(await text(page, '.suspect >> nth=0'), /person_0001/)
    const cosines = (await page.locator('.suspect').allInnerTexts()).map((t) => Number(/cosine (-?[\d.]+)/.exec(t)[1]))
    assert.deepStrictEqual(cosines, [...cosines].sort((a, b) => b - a))
    assert.ok(await page.locator('.threshold').count() === 1, 'one line where the threshold lies')
    await page.locator('.suspect img').first().waitFor()
    await shot(page, 'identify')
  },
  async 'several faces: choose one by keyboard' (page) {
    await drop(page, '#drop', [path.join(T, 'two.jpg')])
    await see(page, '#say', 'faces found: choose one')
    assert.strictEqual(await page.locator('#faces [role=radio]').count(), 2)
    const first = await text(page, '#verdict')
    await page.locator('#faces [aria-checked=true]').focus()
    await page.keyboard.press('ArrowRight')
    assert.strictEqual(await page.locator('#faces [role=radio]').nth(1).getAttribute('aria-checked'), 'true')
    assert.notStrictEqual(await text(page, '#verdict'), first)
    await shot(page, 'two-faces')
  },
  async 'unknown is said plainly, and so is no face' (page) {
    await drop(page, '#drop', [path.join(T, 'strangers', 'person_0900', 'photo_01.jpg')])
    await see(page, '#verdict', 'Unknown')
    await shot(page, 'unknown')
    await drop(page, '#drop', [path.join(T, 'wall.jpg')])
    await see(page, '#verdict', 'No face found')
  },
  async 'what is no photo is refused in words' (page) {
    fs.writeFileSync(path.join(T, 'bad.jpg'), 'no photo')
    await page.locator('#file').setInputFiles(path.join(T, 'bad.jpg'))
    await see(page, '#alarm', 'is not an image')
  },
  async 'paste' (page) {
    await page.evaluate((bytes) => {
      const transfer = new DataTransfer()
      transfer.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], 'x.jpg', { type: 'image/jpeg' }))
      document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }))
    }, fs.readFileSync(people(2, 1)).toString('base64'))
    await see(page, '#verdict', 'A suspect: person_0002')
  },
  async 'camera' (page) {
    await page.locator('#camera-open').click()
    await page.locator('#camera').waitFor()
    await page.locator('#camera-shoot').click()
    await see(page, '#verdict', /No face found|Unknown|suspect/)
    assert.ok(await page.locator('#camera').isHidden())
  },
  async 'people: browse, search, open' (page) {
    await page.locator('nav a', { hasText: 'People' }).click()
    await see(page, '#people-count', '4 people')
    await page.locator('#search').fill('0003')
    await see(page, '#people-count', '1 person')
    await page.locator('#people summary').click()
    await page.locator('#people .photos img').first().waitFor()
    await shot(page, 'people')
    await page.locator('#search').fill('')
    await see(page, '#people-count', '4 people')
  },
  async 'enroll by dragging photos; quality; what fails is told' (page) {
    await drop(page, '#enroll', [people(1, 1)])
    await see(page, '#alarm', 'the name is empty')
    await page.locator('#enroll-name').fill('Zoë <b>"new"</b>')
    await drop(page, '#enroll', [people(2, 1), people(2, 2), path.join(T, 'two.jpg')])
    await see(page, '#say', '2 photos of Zoë <b>"new"</b> enrolled')
    assert.match(await text(page, '#enroll-results'), /quality \d/)
    assert.match(await text(page, '#enroll-results'), /Not enrolled: two.jpg: 2 faces/)
    await see(page, '#people', 'Zoë <b>"new"</b>')
    await shot(page, 'enroll')
  },
  async 'duplicates: merge' (page) {
    await page.locator('#duplicates-find').click()
    await see(page, '#duplicates', 'may be one person')
    const pair = page.locator('#duplicates .pair').filter({ hasText: 'Zoë' }).filter({ hasText: 'person_0002' }).first()
    await pair.waitFor()
    await shot(page, 'duplicates')
    await pair.locator('button', { hasText: 'Merge' }).click()
    await page.locator('#ask-yes').click()
    await see(page, '#say', /are now photos of/)
  },
  async 'rename' (page) {
    const who = page.locator('#people > li').filter({ hasText: 'person_0004' })
    await who.locator('summary').click()
    await who.locator('button', { hasText: 'Rename' }).click()
    await page.locator('#ask-input').fill('Ann')
    await page.locator('#ask-yes').click()
    await see(page, '#say', 'person_0004 is now called Ann')
    await see(page, '#people', 'Ann')
  },
  async 'delete says what goes, and may be left' (page) {
    const who = page.locator('#people > li').filter({ hasText: 'Ann' })
    await who.locator('summary').click()
    await who.locator('button.danger', { hasText: 'Delete' }).first().click()
    assert.match(await text(page, '#ask-text'), /Ann and all 3 enrolled photos/)
    await shot(page, 'delete')
    await page.keyboard.press('Escape')
    await who.locator('button.danger', { hasText: 'Delete' }).first().click()
    await page.locator('#ask-yes').click()
    await see(page, '#say', 'Ann and 3 photos were deleted')
  },
  async 'a ZIP in the background' (page) {
    await page.locator('#enroll-name').fill('')
    await page.locator('#enroll-zip').setInputFiles(path.join(T, 'people.zip'))
    await see(page, '#jobs', 'done: 12 of 12 photos looked at, 12 photos enrolled')
    await shot(page, 'job')
  },
  async 'map' (page) {
    await page.locator('nav a', { hasText: 'Map' }).click()
    await see(page, '#map-caption', 'one colour a person')
    await page.locator('#map-canvas').focus()
    await page.keyboard.press('ArrowRight')
    await see(page, '#map-point', /photos? on this map/)
    await shot(page, 'map')
  },
  async 'audit' (page) {
    await page.locator('nav a', { hasText: 'Audit' }).click()
    await see(page, '#audit-state', 'Every row is as it was written')
    await see(page, '#audit-rows', 'identify')
    assert.ok(!(await text(page, '#audit-rows')).includes('Ann'), 'a deleted name in the audit')
    await shot(page, 'audit')
  },
  async 'every control has a name, every view a heading' (page) {
    for (const view of ['identify', 'people', 'map', 'audit']) {
      await page.goto(new URL(`#${view}`, page.url()).href)
      assert.strictEqual(await page.locator('main h1:visible').count(), 1, view)
      const nameless = await page.evaluate(() => [...document.querySelectorAll('button, a, input, select, canvas[tabindex]')]
        .filter((e) => e.offsetParent && !(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length))).map((e) => e.outerHTML))
      assert.deepStrictEqual(nameless, [], view)
    }
  }
}

async function phone (browser, url, faults) {
  const page = await open(browser, url, { viewport: { width: 360, height: 740 }, colorScheme: 'dark', deviceScaleFactor: 2 }, faults)
  await page.locator('#file').setInputFiles(people(1, 1))
  await see(page, '#verdict', 'person_0001')
  await shot(page, 'phone-identify')
  for (const view of ['identify', 'people', 'map', 'audit']) {
    await page.goto(new URL(`#${view}`, url).href)
    await page.waitForTimeout(300)
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    assert.ok(wide <= 0, `${view} is ${wide} pixels wider than a phone`)
  }
  await shot(page, 'phone-audit')
  await page.context().close()
}

async function signIn (browser, faults) {
  const token = run('serve', 'token', 'add', 'g.gallery', 'reader', '--role', 'read').toString().trim()
  const server = await serve('--quiet')
  const page = await open(browser, server.url, {}, faults)
  await page.locator('#login-token').fill('lk_wrong')
  await page.locator('#login button').click()
  await see(page, '#login-title', 'not valid')
  await page.locator('#login-token').fill(token)
  await page.locator('#login button').click()
  await see(page, '#where', 'people')
  await page.goto(new URL('#people', server.url).href)
  await see(page, '#people-count', 'people')
  assert.ok(await page.locator('#enroll').isHidden(), 'a reader may not enroll')
  await page.goto(new URL('#audit', server.url).href)
  await see(page, '#alarm', 'this needs the role admin')
  await page.context().close()
  await server.stop()
}

/* Enrolled through the API, which keeps crops to show. */
async function fill (url) {
  const ask = async (method, where, body) => assert.ok((await fetch(new URL(where, url), { method, body, headers: { 'X-Likeness': '1' } })).ok, where)
  for (const p of [1, 2, 3, 4]) for (const k of [1, 2, 3]) await ask('POST', `/v1/people/person_000${p}/photos?photo=photo_0${k}.jpg`, fs.readFileSync(people(p, k)))
  await ask('DELETE', '/v1/people/first')
}

async function main () {
  run('synth', '--people', '4', '--photos', '3', '--model', model('people'), 'people')
  run('synth', '--people', '1', '--photos', '1', '--first', '900', '--seed', '7', '--model', model('people'), 'strangers')
  execFileSync(draw, ['scene', path.join(T, 'two.jpg'), '640', '480', people(1, 2), '60', '120', '200', people(3, 2), '360', '140', '200'])
  execFileSync(draw, ['scene', path.join(T, 'wall.jpg'), '320', '240'])
  execFileSync('python3', ['-m', 'zipfile', '-c', 'people.zip', 'people'], { cwd: T })
  run('enroll', 'g.gallery', '--model', model('face-tiny'), '--detector', model('detect'), '--person', 'first', people(4, 1))
  const browser = await playwright.chromium.launch({ executablePath: chromium, args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'] })
  const server = await serve('--keep-crops', '--quiet', '--threshold', '0.6')
  await fill(server.url)
  const faults = []
  let failed = 0
  const attempt = async (name, flow) => {
    try {
      await flow()
      console.log(`ok      ${name}`)
    } catch (error) {
      failed++
      console.log(`FAILED  ${name}\n        ${String(error.message).slice(0, 600).replaceAll('\n', '\n        ')}`)
    }
  }
  const page = await open(browser, server.url, { permissions: ['camera'], viewport: { width: 1200, height: 900 } }, faults)
  for (const [name, flow] of Object.entries(flows)) await attempt(name, () => flow(page))
  await attempt('a phone, dark', () => phone(browser, server.url, faults))
  await server.stop()
  await attempt('signing in', () => signIn(browser, faults))
  await attempt('no error and no request elsewhere', () => assert.deepStrictEqual(faults, []))
  await browser.close()
  process.exitCode = failed ? 1 : 0
}

main().catch((error) => { console.error(error); process.exitCode = 1 }).finally(() => fs.rmSync(T, { recursive: true, force: true }))
