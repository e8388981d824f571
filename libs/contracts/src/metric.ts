import { z } from 'zod';
import type { Evaluation } from './job.ts';

/** What a job's evaluations may say beside their loss. How each is counted: libs/models/src/metrics. */
export const evaluationMetricSchema = z.enum([
  'accuracy',
  'topK',
  'precision',
  'recall',
  'meanSquaredError',
  'meanAbsoluteError',
]);
export type EvaluationMetric = z.infer<typeof evaluationMetricSchema>;

export const metricSchema = z.enum(['loss', ...evaluationMetricSchema.options]);
export type Metric = z.infer<typeof metricSchema>;

/** Loss and errors are to fall, shares of right answers are to rise. */
export const isLowerBetter = (metric: Metric): boolean =>
  metric === 'loss' || metric === 'meanSquaredError' || metric === 'meanAbsoluteError';

/** null where the evaluation does not say. */
export function metricOf(evaluation: Evaluation, metric: Metric): number | null {
  if (metric === 'loss' || metric === 'accuracy') return evaluation[metric];
  return evaluation.metrics[metric] ?? null;
}
