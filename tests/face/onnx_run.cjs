// onnx_run.cjs: for test_onnx_runtime.c: node onnx_run.cjs (PREFIX N C H W)...: for each, PREFIX.onnx on the floats of
// PREFIX.in, (N, C, H, W); its vectors go to PREFIX.out. $LIKENESS_ORT: a folder whose node_modules has onnxruntime-node.
'use strict'
const fs = require('fs')
const ort = require(require('path').resolve(process.env.LIKENESS_ORT, 'node_modules', 'onnxruntime-node'))

async function main (args) {
  for (; args.length; args = args.slice(5)) {
    const prefix = args[0]
    const shape = args.slice(1, 5).map(Number)
    const session = await ort.InferenceSession.create(`${prefix}.onnx`, { intraOpNumThreads: 1 })
    const bytes = fs.readFileSync(`${prefix}.in`)
    const input = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
    const { embedding } = await session.run({ photo: new ort.Tensor('float32', input, shape) })
    fs.writeFileSync(`${prefix}.out`, Buffer.from(embedding.data.buffer, embedding.data.byteOffset, embedding.data.byteLength))
  }
}

main(process.argv.slice(2)).catch(error => {
  console.error(error)
  process.exit(1)
})
