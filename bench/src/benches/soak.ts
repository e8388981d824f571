import type { Bench } from '../bench.ts';
import { TensorFlowChild } from '../harness/tensorflow-child.ts';

const SAMPLES = 100;
/** Until here graphs are traced, code is compiled and pools fill. */
const SETTLED = SAMPLES / 10;
/** What the allocator may hold on to on the way. */
const AIM_RSS = 1.05;

/** Memory over very many compiled steps: whatever a step forgets to give back adds up here. `--only soak --steps N`. */
export const soak: Bench = {
  id: 'soak',
  title: 'memory over many compiled steps',
  extra: 'on-request',
  async run({ options, progress, signal }) {
    const child = await TensorFlowChild.start(1);
    const [workload = 'mlp-small'] = options.workloads;
    const each = Math.ceil(options.steps / SAMPLES);
    const samples: { steps: number; tensors: number; rssBytes: number }[] = [];
    try {
      while (samples.length < SAMPLES) {
        signal.throwIfAborted();
        progress(`${workload}: ${samples.length * each} of ${options.steps} steps`);
        samples.push({ steps: (samples.length + 1) * each, ...(await child.soak(workload, each)) });
      }
    } finally {
      await child.stop();
    }
    const [settled, last] = [samples[SETTLED - 1]!, samples.at(-1)!];
    return {
      figures: [
        {
          name: `${workload}, tensors more after ${last.steps} steps than after ${settled.steps}`,
          unit: 'tensors',
          values: [last.tensors - settled.tensors],
          baseline: null,
          aim: { most: 0 },
        },
        {
          name: `${workload}, RSS after ${last.steps} steps`,
          unit: 'MB',
          values: [last.rssBytes / 1e6],
          baseline: { name: `after ${settled.steps} steps`, values: [settled.rssBytes / 1e6] },
          aim: { most: AIM_RSS },
        },
      ],
      curves: [
        {
          title: `soak: resident memory, ${workload}`,
          x: 'compiled steps',
          y: 'MB',
          series: [{ name: 'RSS', points: samples.map(({ steps, rssBytes }) => [steps, rssBytes / 1e6]) }],
        },
        {
          title: `soak: tensors, ${workload}`,
          x: 'compiled steps',
          y: 'tf.memory().numTensors',
          series: [{ name: 'numTensors', points: samples.map(({ steps, tensors }) => [steps, tensors]) }],
        },
      ],
    };
  },
};
