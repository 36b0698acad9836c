// SPDX-License-Identifier: GPL-3.0-or-later
// ONNX Runtime, timed: node peer.js MODEL THREADS SECONDS prints {"median_ms", "runs"}.
'use strict';
const ort = require('onnxruntime-node');

const [model, threads, seconds] = process.argv.slice(2);
const arrays = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, uint8: Uint8Array };

function randomTensor(input) {
  const dims = input.shape.map((d) => (typeof d === 'number' && d > 0 ? d : 1));
  const data = new arrays[input.type](dims.reduce((a, d) => a * d, 1));
  if (input.type === 'float32') for (let i = 0; i < data.length; i++) data[i] = Math.random() * 2 - 1;
  return new ort.Tensor(input.type, data, dims);
}

async function main() {
  // Threads that spin between runs would take time from whom they are compared with.
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: Number(threads), interOpNumThreads: 1, executionMode: 'sequential',
    graphOptimizationLevel: 'all', logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: Number(threads) > 1 ? '1' : '0' } } } });
  const feeds = Object.fromEntries(session.inputMetadata.map((i) => [i.name, randomTensor(i)]));
  for (let i = 0; i < 5; i++) await session.run(feeds);
  const times = [], end = performance.now() + 1e3 * Number(seconds);
  while (times.length < 10 || performance.now() < end) {
    const start = performance.now();
    await session.run(feeds);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  console.log(JSON.stringify({ median_ms: times[times.length >> 1], runs: times.length }));
}

main().then(() => process.exit(0), (e) => { console.error(String(e.message || e)); process.exit(1); });
