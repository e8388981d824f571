import { loadTensorFlow } from './src/tensorflow/load.ts';
import { CompiledRunner } from './src/step/compiled-runner.ts';
import { EagerRunner } from './src/step/eager-runner.ts';
import { prepareModel, TrainingModel } from '@downpour/models';
const T = await loadTensorFlow({ intraOpThreads: +(process.env.TH ?? 1) });
const ds = {
  trainExamples: 100,
  testExamples: 0,
  featureShape: [28, 28, 1],
  featureType: 'uint8',
  labelKind: 'class',
  classes: 10,
  labelWidth: 1,
};
const model = process.argv[2] === 'big' ? { zoo: 'mlp', hiddenUnits: [2048, 2048, 1024] } : { zoo: process.argv[2] };
const p = await prepareModel({ model, seed: 1 }, ds);
const m = await TrainingModel.open(p.topology, ds, p.loss);
const x = new Uint8Array(64 * 784).map((_, i) => Math.random() * 256),
  y = new Int32Array(64).map((_, i) => i % 10);
const b = T.backend.binding;
const times = {};
const wrap =
  (n, f) =>
  (...a) => {
    const t = performance.now();
    const o = f(...a);
    (times[n] ??= []).push(performance.now() - t);
    return o;
  };
const W = { ...Object.fromEntries(Object.getOwnPropertyNames(b).map((n) => [n, b[n]])) };
for (const n of ['createTensor', 'runSavedModel', 'tensorDataSync', 'deleteTensor']) W[n] = wrap(n, b[n]);
const r = new CompiledRunner({ ...T, backend: T.backend }, m);
r.step(p.initial, { count: 64, features: x, labels: y }, 3);
// swap binding inside compiled graph: rerecord
T.backend.binding = W;
const r2 = new CompiledRunner(T, m);
r2.step(p.initial, { count: 64, features: x, labels: y }, 3);
for (const k in times) times[k].length = 0;
const all = [];
for (let i = 0; i < 20; i++) {
  const t = performance.now();
  r2.step(p.initial, { count: 64, features: x, labels: y }, 3);
  all.push(performance.now() - t);
}
const med = (a) => a.sort((a, b) => a - b)[a.length >> 1];
console.log('step', med(all));
for (const k in times) console.log(k, (times[k].reduce((a, b) => a + b, 0) / 20).toFixed(2));
