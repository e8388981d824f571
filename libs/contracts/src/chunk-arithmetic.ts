import type { ChunkPlan } from './layout.ts';

/**
 * How an epoch is cut: chunks into runs of `chunkSize` positions of the epoch's permutation, chunks into batches, batches into push
 * windows. Every process computes these alone and must get the same answer, for pushes are counted by them.
 */

/** Chunks of one epoch; the last may be short. */
export function chunksInEpoch(plan: ChunkPlan): number {
  return Math.ceil(plan.examples / plan.chunkSize);
}

/** Positions [begin, end) of a chunk in its epoch's permutation. */
export function chunkBounds(plan: ChunkPlan, chunk: number): { begin: number; end: number } {
  const begin = chunk * plan.chunkSize;
  if (!Number.isInteger(chunk) || chunk < 0 || begin >= plan.examples) {
    throw new RangeError(`Chunk ${chunk} is not one of the epoch's ${chunksInEpoch(plan)}`);
  }
  return { begin, end: Math.min(begin + plan.chunkSize, plan.examples) };
}

/** Steps of a chunk: one a batch; the last batch may be short. */
export function stepsInChunk(plan: ChunkPlan, chunk: number): number {
  const { begin, end } = chunkBounds(plan, chunk);
  return Math.ceil((end - begin) / plan.batchSize);
}

/** Pushes of a chunk to each shard: a window of nPush steps ends with its chunk. */
export function pushesInChunk(plan: ChunkPlan, chunk: number): number {
  return Math.ceil(stepsInChunk(plan, chunk) / plan.nPush);
}

/** Pushes of one epoch to each shard. */
export function pushesInEpoch(plan: ChunkPlan): number {
  const chunks = chunksInEpoch(plan);
  return (chunks - 1) * pushesInChunk(plan, 0) + pushesInChunk(plan, chunks - 1);
}

/** Index of a chunk's first push among the pushes of its epoch: all chunks before it are full ones. */
export function pushOffset(plan: ChunkPlan, chunk: number): number {
  return chunk * pushesInChunk(plan, 0);
}

/** Pushes that every shard must have applied when the job is done. */
export function expectedPushes(plan: ChunkPlan): number {
  return plan.epochs * pushesInEpoch(plan);
}

/** Examples whose gradients are in one push. */
export function examplesInPush(plan: ChunkPlan, chunk: number, push: number): number {
  const { begin, end } = chunkBounds(plan, chunk);
  const window = plan.batchSize * plan.nPush;
  return Math.max(0, Math.min(window, end - begin - push * window));
}
