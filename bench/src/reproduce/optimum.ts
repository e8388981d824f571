import { Cluster } from '../harness/cluster.ts';
import { lineChart } from '../harness/svg.ts';
import type { Experiment } from './experiment.ts';

/** Of the same objective by scipy's L-BFGS-B in float64, from zeros, ten pairs: bench/peers/logistic_optimum.py. */
const SCIPY = {
  optimum: 0.376518996,
  /** Function evaluations until the loss is within so much of the optimum, relative. */
  within: [
    [1e-3, 62],
    [1e-4, 98],
    [1e-5, 124],
    [1e-6, 156],
  ],
} as const;
const L2 = 0.001;
const EVALUATIONS = 250;
const TIMEOUT_MS = 900_000;

/** Multinomial logistic regression: convex, so that its optimum is a number that others find, too. */
const model = {
  topology: {
    class_name: 'Sequential',
    config: {
      name: 'logistic',
      layers: [
        { class_name: 'Flatten', config: { name: 'flatten', batch_input_shape: [null, 28, 28, 1] } },
        {
          class_name: 'Dense',
          config: {
            name: 'output',
            units: 10,
            activation: 'softmax',
            kernel_initializer: { class_name: 'Zeros', config: {} },
            bias_initializer: { class_name: 'Zeros', config: {} },
            kernel_regularizer: { class_name: 'L2', config: { l2: L2 } },
          },
        },
      ],
    },
  },
};

interface Iteration {
  iteration: number;
  evaluations: number;
  loss: number;
  gradientNorm: number;
  seconds: number;
}

export const optimum: Experiment = {
  name: 'optimum',
  title: "optimum: Sandblaster L-BFGS beside scipy's L-BFGS-B, logistic regression on MNIST",
  async run({ signal, progress }) {
    const cluster = await Cluster.start({ workers: 2, shards: 2 });
    try {
      const { id } = await cluster.client.submit({
        model,
        dataset: 'mnist',
        batchSize: 1000,
        chunkSize: 2000,
        epochs: EVALUATIONS,
        evaluateEvery: 100_000,
        shards: 2,
        strategy: { kind: 'sandblaster', gradientTolerance: 0, lossTolerance: 0 },
      });
      const iterations: Iteration[] = [];
      const began = performance.now();
      const either = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
      for await (const event of cluster.client.events(id, either)) {
        if (event.type === 'problem') progress(`  ${event.message}`);
        if (event.type !== 'iteration') continue;
        const { iteration, evaluations, loss, gradientNorm } = event;
        iterations.push({ iteration, evaluations, loss, gradientNorm, seconds: (performance.now() - began) / 1000 });
        progress(`iteration ${iteration}, ${evaluations} evaluations: ${loss}`);
      }
      const { state, result } = await cluster.client.untilTerminal(id, { signal: either });
      return outcome(iterations, { state, result });
    } finally {
      await cluster.stop();
    }
  },
};

const excess = (loss: number): number => loss / SCIPY.optimum - 1;

function outcome(iterations: readonly Iteration[], end: object) {
  const best = iterations.reduce((least, { loss }) => Math.min(least, loss), Infinity);
  const within = SCIPY.within.map(([part, scipy]) => {
    const first = iterations.find(({ loss }) => excess(loss) <= part);
    return { part, scipy, evaluations: first?.evaluations ?? null, iteration: first?.iteration ?? null };
  });
  const rows = [
    ['evaluations until the loss is within', 'scipy', 'Downpour', 'ratio'],
    ...within.map(({ part, scipy, evaluations }) => [
      part.toExponential(0),
      `${scipy}`,
      `${evaluations ?? 'never'}`,
      evaluations === null ? '' : (evaluations / scipy).toFixed(2),
    ]),
    ['at its best, relative', '', excess(best).toExponential(1), ''],
  ];
  const axes = { x: 'evaluations of the whole training set', y: 'digits of the optimum: -log10(loss / optimum - 1)' };
  const digits = (part: number) => Math.max(0, -Math.log10(part));
  const chart = lineChart('Sandblaster on the way to the optimum', axes, [
    {
      name: 'Downpour',
      points: iterations
        .filter(({ loss }) => excess(loss) > 0)
        .map(({ evaluations, loss }) => [evaluations, digits(excess(loss))]),
    },
    { name: 'scipy', points: SCIPY.within.map(([part, evaluations]) => [evaluations, digits(part)]) },
  ]);
  return { rows, charts: { optimum: chart }, data: { scipy: SCIPY, within, iterations, end } };
}
