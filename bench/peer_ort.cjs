#!/usr/bin/env node
/* peer_ort.cjs: the model that `likeness export` wrote, in ONNX Runtime: what a user would run it with elsewhere.
 *
 *   node bench/peer_ort.cjs MODEL.onnx BATCH SECONDS THREADS
 *
 * Prints photos a second and the share of the cores' time it had (1: the machine was quiet). Only the runs are timed,
 * on one batch of random pixels, all optimisations on. The package onnxruntime-node is that of $LIKENESS_ORT, a folder
 * with node_modules in it, else of build/peers, where it is installed when it is missing: its CPU part comes in the
 * package itself, so no script of it needs to run. Without it: a line on stderr, nothing on stdout, exit code 77.
 */
'use strict'
const { execFileSync } = require('child_process')
const path = require('path')

const peers = process.env.LIKENESS_ORT || path.join(__dirname, '..', 'build', 'peers')
const place = path.resolve(peers, 'node_modules', 'onnxruntime-node')

function runtime () {
  try {
    return require(place)
  } catch (error) {
    if (process.env.LIKENESS_ORT) throw error
  }
  const install = ['install', '--ignore-scripts', '--no-fund', '--no-audit', '--prefix', peers, 'onnxruntime-node']
  console.error(`npm ${install.join(' ')}`)
  execFileSync('npm', install, { stdio: ['ignore', 2, 2] })
  return require(place)
}

async function main () {
  const [model, batch, seconds, threads] = process.argv.slice(2)
  if (threads === undefined) {
    console.error('Usage: peer_ort.cjs MODEL.onnx BATCH SECONDS THREADS')
    process.exit(2)
  }
  let ort
  try {
    ort = runtime()
  } catch (error) {
    console.error(`ONNX Runtime cannot be had: ${error.message.split('\n')[0]}`)
    process.exit(77)
  }
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: Number(threads),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all'
  })
  const input = session.inputMetadata[0]
  const shape = [Number(batch), ...input.shape.slice(1)]
  const pixels = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 2 * Math.random() - 1)
  const feeds = { [input.name]: new ort.Tensor('float32', pixels, shape) }

  for (let i = 0; i < 3; i++) await session.run(feeds)
  let count = 0
  let wall = 0
  const began = process.hrtime.bigint()
  const before = process.cpuUsage()
  while (wall < Number(seconds)) {
    await session.run(feeds)
    count++
    wall = Number(process.hrtime.bigint() - began) / 1e9
  }
  const used = process.cpuUsage(before)
  const share = (used.user + used.system) / 1e6 / wall / Number(threads)
  console.log(`${(count * batch / wall).toFixed(2)} ${share.toFixed(3)}`)
}

main().catch(error => {
  console.error(`peer_ort: ${error.message}`)
  process.exit(1)
})
