#!/usr/bin/env node
/* labels.cjs: where the faces of photos are, as the teacher sees them: face-api's SSD-MobileNet detector with its
 * 68-point landmarks, and its tiny detector for a second opinion. The recipe of the labels that the detector learns
 * from, and the truth of `make bench-detect`.
 *
 *   node bench/labels.cjs LIST_OF_PHOTOS OUT.jsonl [PART PARTS]
 *
 * The list names a JPEG photo a line; PART of PARTS (0 1 by default) takes every PARTS-th of them, for a process a core.
 * One JSON object a line is added to OUT.jsonl:
 *
 *   {"photo": as listed, "w": , "h": , "ssd": [{"s": score, "b": [x, y, w, h], "p": [[x, y] x 5]}], "tiny": [{"s", "b"}]}
 *
 * in pixels of the photo as stored (its EXIF orientation is not looked at); the points are the means of the landmarks of
 * either eye, the tip of the nose and the corners of the mouth, left before right as one sees them. A photo that cannot be
 * read has "error" instead of "ssd" and "tiny". Photos already in OUT.jsonl are skipped, so a run cut short goes on where
 * it was; half a last line is done again.
 *
 * The packages are those of the folder $LIKENESS_NODE_MODULES, else of build/peers/node_modules, where they are installed
 * when they are missing (300 MB; no script of theirs needs to run). Without them: a line on stderr, exit code 77.
 */
'use strict'
const { execFileSync } = require('child_process')
const fs = require('fs')
const path = require('path')

// These versions, because another teacher would teach otherwise.
const packages = ['@vladmandic/face-api@1.7.15', '@tensorflow/tfjs@4.22.0', '@tensorflow/tfjs-backend-wasm@4.22.0', 'jpeg-js@0.4.4']
const peers = path.join(__dirname, '..', 'build', 'peers')
const modules = path.resolve(process.env.LIKENESS_NODE_MODULES || path.join(peers, 'node_modules'))

function load () {
  return {
    tf: require(path.join(modules, '@tensorflow/tfjs')),
    wasm: require(path.join(modules, '@tensorflow/tfjs-backend-wasm')),
    faceapi: require(path.join(modules, '@vladmandic/face-api/dist/face-api.node-wasm.js')),
    jpeg: require(path.join(modules, 'jpeg-js'))
  }
}

function libraries () {
  try {
    return load()
  } catch (error) {
    if (process.env.LIKENESS_NODE_MODULES) throw error
  }
  const install = ['install', '--ignore-scripts', '--no-fund', '--no-audit', '--prefix', peers, ...packages]
  console.error(`npm ${install.join(' ')}`)
  execFileSync('npm', install, { stdio: ['ignore', 2, 2] })
  return load()
}

/* The photos that OUT holds; a last line without its end is cut off the file. */
function photosIn (out) {
  if (!fs.existsSync(out)) return new Set()
  const text = fs.readFileSync(out, 'utf8')
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole.length < text.length) fs.truncateSync(out, Buffer.byteLength(whole))
  return new Set(whole.split('\n').filter(Boolean).map(line => JSON.parse(line).photo))
}

const round = (value, digits) => Number(value.toFixed(digits))
const boxOf = (box, digits) => [box.x, box.y, box.width, box.height].map(v => round(v, digits))

function fivePoints (landmarks) {
  const ranges = [[36, 42], [42, 48], [30, 31], [48, 49], [54, 55]] // of the 68: eyes, tip of the nose, mouth corners
  return ranges.map(([from, to]) => {
    const part = landmarks.slice(from, to)
    return ['x', 'y'].map(axis => round(part.reduce((sum, p) => sum + p[axis], 0) / part.length, 2))
  })
}

async function label (photo, { tf, faceapi, jpeg }) {
  const image = jpeg.decode(fs.readFileSync(photo), { useTArray: true, formatAsRGBA: false, maxMemoryUsageInMB: 2048 })
  const pixels = tf.tensor3d(image.data, [image.height, image.width, 3], 'int32')
  try {
    // Far below what counts as a face (0.5), so that what the teacher is in two minds about is known too.
    const ssd = new faceapi.SsdMobilenetv1Options({ minConfidence: 0.15, maxResults: 60 })
    const faces = await faceapi.detectAllFaces(pixels, ssd).withFaceLandmarks()
    const tiny = await faceapi.tinyFaceDetector(pixels, new faceapi.TinyFaceDetectorOptions({ inputSize: 416, scoreThreshold: 0.3 }))
    return {
      w: image.width,
      h: image.height,
      ssd: faces.map(({ detection, landmarks }) =>
        ({ s: round(detection.score, 4), b: boxOf(detection.box, 2), p: fivePoints(landmarks.positions) })),
      tiny: tiny.map(face => ({ s: round(face.score, 3), b: boxOf(face.box, 1) }))
    }
  } finally {
    tf.dispose(pixels)
  }
}

async function main () {
  const [list, out, part = '0', parts = '1'] = process.argv.slice(2)
  if (out === undefined || !(Number(part) < Number(parts))) {
    console.error('Usage: labels.cjs LIST_OF_PHOTOS OUT.jsonl [PART PARTS]')
    process.exit(2)
  }
  const done = photosIn(out)
  const photos = fs.readFileSync(list, 'utf8').split('\n').filter(Boolean)
    .filter((_, i) => i % Number(parts) === Number(part)).filter(photo => !done.has(photo))
  if (photos.length === 0) return // before anything is installed

  let library
  try {
    library = libraries()
  } catch (error) {
    console.error(`The teacher cannot be had: ${error.message.split('\n')[0]}`)
    process.exit(77)
  }
  const { tf, wasm, faceapi } = library
  wasm.setWasmPaths(path.join(modules, '@tensorflow/tfjs-backend-wasm/dist/'))
  wasm.setThreadsCount(1)
  await tf.setBackend('wasm')
  await tf.ready()
  for (const net of ['ssdMobilenetv1', 'faceLandmark68Net', 'tinyFaceDetector']) {
    await faceapi.nets[net].loadFromDisk(path.join(modules, '@vladmandic/face-api/model'))
  }

  const began = Date.now()
  for (let i = 0; i < photos.length; i++) {
    const line = { photo: photos[i] }
    try {
      Object.assign(line, await label(photos[i], library))
    } catch (error) {
      line.error = String(error.message || error)
    }
    fs.appendFileSync(out, JSON.stringify(line) + '\n')
    if ((i + 1) % 50 === 0) {
      console.error(`labels: ${i + 1} of ${photos.length} photos, ${((i + 1) * 1000 / (Date.now() - began)).toFixed(1)} a second`)
    }
  }
}

main().catch(error => {
  console.error(`labels: ${error.message}`)
  process.exit(1)
})
