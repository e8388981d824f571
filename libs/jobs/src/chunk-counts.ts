import type { ChunkPlan } from '@downpour/contracts';

// TEMP until libs/datasets/src/chunk-plan.ts is there
export function chunksPerEpoch(plan: ChunkPlan): number {
  return Math.ceil(plan.examples / plan.chunkSize);
}
export function pushesPerEpoch(plan: ChunkPlan): number {
  const pushes = (examples: number) => Math.ceil(Math.ceil(examples / plan.batchSize) / plan.nPush);
  const full = Math.floor(plan.examples / plan.chunkSize);
  return full * pushes(plan.chunkSize) + pushes(plan.examples - full * plan.chunkSize);
}
