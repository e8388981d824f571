/** Least chunks in the queue for each worker, when the rate is not known yet: small chunks take some 30 ms. */
const CHUNKS_PER_WORKER = 16;

export interface QueueState {
  epochs: number;
  epochsEnqueued: number;
  chunksPerEpoch: number;
  /** Not yet acknowledged. */
  pendingChunks: number;
  workers: number;
  examplesPerSecond: number;
  chunkSize: number;
}

/**
 * How many epochs to enqueue now. There is no barrier between epochs: the next one goes in while the last is still being worked on, so
 * that no worker ever waits; and not all at once, so that an early stop has little to drop.
 */
export function epochsToEnqueue(queue: QueueState, lookAheadMs: number): number {
  const atThisRate = ((queue.examplesPerSecond / queue.chunkSize) * lookAheadMs) / 1000;
  const wanted = Math.max(CHUNKS_PER_WORKER * Math.max(1, queue.workers), Math.ceil(atThisRate));
  const missing = Math.ceil((wanted - queue.pendingChunks) / queue.chunksPerEpoch);
  return Math.max(0, Math.min(missing, queue.epochs - queue.epochsEnqueued));
}
