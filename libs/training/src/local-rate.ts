import type { JobPlan } from '@downpour/contracts';
import { chunksInEpoch, scheduleFactor } from '@downpour/contracts';

/**
 * Learning rate of the local steps between two fetches (alpha of the paper's section 4.1): the update rule's, by the job's schedule. A worker does not know how much a
 * shard has settled, so positions are as good as they can be: the newest version it has fetched, and the place of its chunk in the job.
 */
export function localRate(
  { spec, chunks }: Pick<JobPlan, 'spec' | 'chunks'>,
  versions: readonly number[],
  { epoch, chunk }: { epoch: number; chunk: number },
): number {
  const version = Math.max(0, ...versions);
  const epochs = epoch + chunk / chunksInEpoch(chunks);
  return spec.updateRule.learningRate * scheduleFactor(spec.learningRateSchedule, { version, epochs });
}
