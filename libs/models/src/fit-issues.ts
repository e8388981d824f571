import type { DatasetSummary, JobSpec } from '@downpour/contracts';
import { augmentIssues } from './check-augment.ts';
import { objectiveIssues } from './losses/check-objective.ts';
import { metricIssues } from './metrics/check-metrics.ts';
import type { SpecIssue } from './spec-issue.ts';

/** Of a job's spec, what is said of its loss and its evaluations. */
export type FitSpec = Partial<
  Pick<
    JobSpec,
    'augment' | 'loss' | 'labelSmoothing' | 'classWeights' | 'metrics' | 'topK' | 'stopAt' | 'earlyStopping'
  >
>;

/** What a job says of its loss and evaluations that does not fit its data set. */
export function fitIssues(spec: FitSpec, dataset: DatasetSummary): SpecIssue[] {
  return [...augmentIssues(spec, dataset), ...objectiveIssues(spec, dataset), ...metricIssues(spec, dataset)];
}
