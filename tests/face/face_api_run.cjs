// face_api_run.cjs: for test_import_package.c: node face_api_run.cjs PHOTOS COUNT OUT: COUNT photos of 150 x 150 (RGB bytes) in
// one file to the package's own vectors (128 floats each), not normalised. $LIKENESS_FACE_API: a folder whose node_modules
// has @vladmandic/face-api, @tensorflow/tfjs and @tensorflow/tfjs-backend-wasm.
'use strict'
const fs = require('fs')
const path = require('path')
const modules = path.resolve(process.env.LIKENESS_FACE_API, 'node_modules')
const SIDE = 150

async function main (photos, count, out) {
  const tf = require(path.join(modules, '@tensorflow/tfjs'))
  const wasm = require(path.join(modules, '@tensorflow/tfjs-backend-wasm'))
  wasm.setWasmPaths(path.join(modules, '@tensorflow/tfjs-backend-wasm/dist') + '/')
  const faceapi = require(path.join(modules, '@vladmandic/face-api/dist/face-api.node-wasm.js'))
  await tf.setBackend('wasm')
  await tf.ready()
  await faceapi.nets.faceRecognitionNet.loadFromDisk(path.join(modules, '@vladmandic/face-api/model'))
  const bytes = fs.readFileSync(photos)
  const size = SIDE * SIDE * 3
  const vectors = []
  for (let i = 0; i < Number(count); i++) {
    const photo = tf.tensor3d(Int32Array.from(bytes.subarray(i * size, (i + 1) * size)), [SIDE, SIDE, 3], 'int32')
    vectors.push(...await faceapi.computeFaceDescriptor(photo))
    tf.dispose(photo)
  }
  fs.writeFileSync(out, Buffer.from(Float32Array.from(vectors).buffer))
}

main(...process.argv.slice(2)).catch(error => {
  console.error(error)
  process.exit(1)
})
