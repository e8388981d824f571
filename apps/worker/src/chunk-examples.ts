import type { ChunkTask, JobPlan } from '@downpour/contracts';
import { chunkBounds } from '@downpour/contracts';
import type { Examples } from '@downpour/training';
import type { WorkerVerbs } from './ports.ts';

/** The examples of a chunk, in the order of its epoch. */
export function chunkExamples(
  verbs: Pick<WorkerVerbs, 'fetchExamples'>,
  plan: JobPlan,
  task: ChunkTask,
  signal: AbortSignal,
): Promise<Examples> {
  const order = { seed: plan.chunks.seed, epoch: task.epoch };
  return verbs.fetchExamples(plan, { split: 'train', order, ...chunkBounds(plan.chunks, task.chunk) }, signal);
}
