import type { UpdateRuleSpec } from '@downpour/contracts';
import { median } from '../harness/statistics.ts';
import { baseJob, type Experiment } from './experiment.ts';
import { staleTraining } from './stale-training.ts';

/** Of one, four, and eight workers that are alike. */
const STALENESS = [0, 3, 7];
const STEPS = 600;
const SGD = [0.05, 0.1, 0.2];
/** TensorFlow's sums begin at 0.1, the paper's at nothing. */
const ADAGRAD: readonly (readonly [learningRate: number, initialAccumulator: number])[] = [
  [0.02, 0.1],
  [0.05, 0.1],
  [0.1, 0.1],
  [0.02, 0.01],
  [0.05, 0.01],
  [0.02, 0.001],
  [0.03, 0.001],
  [0.01, 0.0001],
  [0.02, 0.0001],
  [0.03, 0.0001],
  [0.05, 0.0001],
];

/** In one process, each gradient exactly so stale: which rates the ways of figures 4 and 5 are to have. */
export const rates: Experiment = {
  name: 'rates',
  title: `test accuracy after ${STEPS} steps, by rate and staleness`,
  async run({ options: { seeds }, signal, progress }) {
    const rules: UpdateRuleSpec[] = [
      ...SGD.map((learningRate) => ({ kind: 'sgd', learningRate }) as const),
      ...ADAGRAD.map(
        ([learningRate, initialAccumulator]) => ({ kind: 'adagrad', learningRate, initialAccumulator }) as const,
      ),
    ];
    const runs: { rule: UpdateRuleSpec; staleness: number; seed: number; accuracy: number | null }[] = [];
    for (const seed of seeds) {
      const train = await staleTraining(baseJob(seed).model, seed);
      for (const rule of rules) {
        progress(`${nameOf(rule)}, seed ${seed}`);
        for (const staleness of STALENESS) {
          signal.throwIfAborted();
          const { accuracy } = train({ rule, staleness, scaling: 'none', steps: STEPS, seed });
          runs.push({ rule, staleness, seed, accuracy });
          // So that Ctrl-C is heard.
          await new Promise(setImmediate);
        }
      }
    }
    const rows = [['median, %', ...STALENESS.map((staleness) => `staleness ${staleness}`)]];
    for (const rule of rules)
      rows.push([
        nameOf(rule),
        ...STALENESS.map((staleness) => {
          const own = runs.filter((run) => run.rule === rule && run.staleness === staleness);
          return (100 * median(own.map(({ accuracy }) => accuracy ?? 0))).toFixed(1);
        }),
      ]);
    return { rows, charts: {}, data: { steps: STEPS, runs } };
  },
};

const nameOf = (rule: UpdateRuleSpec): string =>
  `${rule.kind}, ${rule.learningRate}${rule.kind === 'adagrad' ? `, sums from ${rule.initialAccumulator}` : ''}`;
