import type { JobSpec } from '@downpour/contracts';

/** Of a job's spec, what its evaluations count. */
export type MetricsSpec = Pick<JobSpec, 'metrics' | 'topK'>;
export const NO_METRICS: MetricsSpec = { metrics: [], topK: 5 };

/** Sums over examples that stand one after another, each one number. Accuracy needs none: right answers are always counted. */
export const SCALAR_SUMS = ['topK', 'meanSquaredError', 'meanAbsoluteError'] as const;
export const scalarsOf = ({ metrics }: Pick<MetricsSpec, 'metrics'>) =>
  SCALAR_SUMS.filter((name) => metrics.includes(name));
/** Precision and recall: behind them come, for each class, the hits, then the answers, then the labels. */
export const countsClasses = ({ metrics }: Pick<MetricsSpec, 'metrics'>): boolean =>
  metrics.includes('precision') || metrics.includes('recall');

/**
 * The metrics that sums over a whole split come to (but accuracy). Means of sums, never means of means: however the split was cut, the same.
 * `sums`: as TrainingModel.evaluate lays them out, added up.
 */
export function metricValues(
  spec: Pick<MetricsSpec, 'metrics'>,
  sums: readonly number[],
  examples: number,
): Record<string, number> {
  const values: Record<string, number> = {};
  const scalars = scalarsOf(spec);
  scalars.forEach((name, i) => (values[name] = sums[i]! / examples));
  if (!countsClasses(spec)) return values;
  const counts = sums.slice(scalars.length);
  const classes = counts.length / 3;
  const [hits, answers, labels] = [0, 1, 2].map((part) => counts.slice(part * classes, (part + 1) * classes)) as [
    number[],
    number[],
    number[],
  ];
  if (spec.metrics.includes('precision')) values['precision'] = macro(hits, answers, labels, answers);
  if (spec.metrics.includes('recall')) values['recall'] = macro(hits, answers, labels, labels);
  return values;
}

/** Mean of hits / of over the classes that are answered or labelled at all; where a class has none of `of`, 0 (as scikit-learn's macro average). */
function macro(hits: number[], answers: number[], labels: number[], of: number[]): number {
  const present = hits.map((_, i) => i).filter((i) => answers[i]! + labels[i]! > 0);
  const shares = present.map((i) => (of[i] === 0 ? 0 : hits[i]! / of[i]!));
  return shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
}
