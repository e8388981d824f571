import type { DatasetSummary, EvaluationMetric, JobSpec, Metric } from '@downpour/contracts';
import { defaultLoss } from '../losses/loss-kind.ts';
import type { SpecIssue } from '../spec-issue.ts';

/** What is a share of examples, as a sentence begins with it. */
const SHARES: Partial<Record<Metric, string>> = {
  accuracy: 'An accuracy',
  topK: 'A top-K accuracy',
  precision: 'A precision',
  recall: 'A recall',
};

type Checked = Partial<Pick<JobSpec, 'loss' | 'metrics' | 'topK' | 'stopAt' | 'earlyStopping'>>;

/** Does what a job asks of its evaluations fit its data set and loss? Accuracy among the metrics of numbers is no mistake: it is there by default, and null. */
export function metricIssues(spec: Checked, dataset: DatasetSummary): SpecIssue[] {
  const { metrics = [], stopAt, earlyStopping } = spec;
  const issues = metrics.flatMap((metric) => unfit(metric, spec, dataset));
  if (stopAt?.metric === 'accuracy' && dataset.labelKind === 'number')
    issues.push({ field: 'stopAt.metric', message: 'A data set of numbers has no accuracy: stop at a loss' });
  if (earlyStopping?.metric === 'accuracy' && dataset.labelKind === 'number')
    issues.push({ field: 'earlyStopping.metric', message: 'A data set of numbers has no accuracy: watch the loss' });
  if (stopAt && dataset.labelKind === 'class' && SHARES[stopAt.metric] && !(stopAt.value >= 0 && stopAt.value <= 1))
    issues.push({
      field: 'stopAt.value',
      message: `${SHARES[stopAt.metric]} is a share from 0 to 1, not ${stopAt.value}`,
    });
  return issues;
}

function unfit(metric: EvaluationMetric, { loss, topK }: Checked, dataset: DatasetSummary): SpecIssue[] {
  const issue = (message: string, field = 'metrics') => [{ field, message }];
  const { labelKind, classes } = dataset;
  if (metric === 'accuracy') return [];
  if (metric === 'meanSquaredError' || metric === 'meanAbsoluteError') {
    if (labelKind === 'number' || (loss ?? defaultLoss(dataset)) === 'meanSquaredError') return [];
    return issue(
      `${metric} is of numbers, and the data set has classes: take accuracy, precision or recall, or train with the loss meanSquaredError`,
    );
  }
  if (labelKind === 'number')
    return issue(
      `${metric} needs classes, and the labels of the data set are numbers: take meanSquaredError or meanAbsoluteError`,
    );
  if (metric === 'topK' && topK !== undefined && topK >= classes)
    return issue(
      `Among the ${topK} likeliest of ${classes} classes there is always the right one: ${classes > 2 ? `take at most ${classes - 1}` : 'take accuracy'}`,
      'topK',
    );
  return [];
}
