import type { DatasetSummary, JobSpec } from '@downpour/contracts';
import type { SpecIssue } from '../spec-issue.ts';
import { defaultLoss } from './loss-kind.ts';
import type { ObjectiveSpec } from './objective.ts';

/** Do label smoothing and class weights fit the loss and the data set? */
export function objectiveIssues(
  { labelSmoothing = 0, classWeights, loss }: ObjectiveSpec & Partial<Pick<JobSpec, 'loss'>>,
  dataset: DatasetSummary,
): SpecIssue[] {
  const issues: SpecIssue[] = [];
  if (labelSmoothing > 0 && (loss ?? defaultLoss(dataset)) === 'meanSquaredError')
    issues.push({
      field: 'labelSmoothing',
      message: 'meanSquaredError has no labels to smooth: leave it out, or train with a cross-entropy',
    });
  if (classWeights === undefined) return issues;
  if (dataset.labelKind === 'number')
    issues.push({
      field: 'classWeights',
      message: 'The labels of the data set are numbers, not classes: leave it out',
    });
  else if (classWeights.length !== dataset.classes)
    issues.push({
      field: 'classWeights',
      message: `The data set has ${dataset.classes} classes, not ${classWeights.length}: give a weight for each`,
    });
  return issues;
}
