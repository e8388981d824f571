import type { DatasetSummary, JobSpec } from '@downpour/contracts';
import type { SpecIssue } from './spec-issue.ts';

/** Do random changes of images fit the data set? */
export function augmentIssues(
  { augment }: Partial<Pick<JobSpec, 'augment'>>,
  { featureShape }: DatasetSummary,
): SpecIssue[] {
  if (!augment) return [];
  const [height, width] = featureShape;
  if (height === undefined || width === undefined)
    return [{ field: 'augment', message: 'The examples of the data set are no images: leave it out' }];
  const least = Math.min(height, width);
  if (augment.crop === undefined || augment.crop < least) return [];
  const message = `Images of ${height}x${width} can be moved by less than ${least} pixels, not by ${augment.crop}`;
  return [{ field: 'augment.crop', message }];
}
