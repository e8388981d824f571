import { chunksInEpoch, scheduleFactor } from '@downpour/contracts';
import type { ReplicaContext } from './ports.ts';

/**
 * Learning rate of the local steps between two fetches (alpha of the paper's section 4.1): the update rule's, by the job's schedule. A worker does not know how much a
 * shard has settled, so positions are as good as they can be: the newest version it has fetched, and the place of its chunk in the job.
 */
export function localRate(
  { plan: { spec, chunks }, rateFactor }: Pick<ReplicaContext, 'plan' | 'rateFactor'>,
  versions: readonly number[],
  { epoch, chunk }: { epoch: number; chunk: number },
): number {
  const version = Math.max(0, ...versions);
  const epochs = epoch + chunk / chunksInEpoch(chunks);
  const factor = scheduleFactor(spec.learningRateSchedule, { version, epochs }) * (rateFactor?.() ?? 1);
  return spec.updateRule.learningRate * factor;
}
