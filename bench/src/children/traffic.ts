import type { JobPlan } from '@downpour/contracts';
import { chunksInEpoch, examplesInPush, pushesInChunk } from '@downpour/contracts';
import type { Moved, TrafficMode } from '../harness/wire-child.ts';
import type { PaddedWorker } from './padded-worker.ts';

/** So many at least, however long they take. */
const MIN_ROUNDS = 3;
/** Pushes under way, as in a worker. */
export const OUTSTANDING = 4;

/** One worker that pulls, pushes, or does both as fast as it can. Bytes are those of vectors that have arrived, or are durable. */
export async function traffic(
  worker: PaddedWorker,
  plan: JobPlan,
  options: { mode: TrafficMode; windowMs: number; worker: number; of: number },
): Promise<Moved> {
  const parameters = worker.parameters(plan);
  const { signal } = new AbortController();
  // As a worker does: in memory that is worked on without a copy.
  const allocate = () => parameters.allocate() ?? new Float32Array(plan.layout.length);
  const vector = allocate();
  const gradients = Array.from({ length: OUTSTANDING }, allocate);
  const keys = keysOf(plan, options.worker, options.of);
  const pull = () => parameters.pull({ vector, versions: plan.shards.map(() => -1) }, signal);
  const push = (round: number) => {
    const key = keys.next().value!;
    const versions = plan.shards.map(() => 0);
    return parameters.push({ gradient: gradients[round % OUTSTANDING]!, versions, ...key }, signal);
  };
  try {
    return await moved(vector.byteLength, options, pull, push);
  } finally {
    await parameters.close();
  }
}

/** The same pattern for the system and for plain NATS: pulls one after the other, pushes four at a time. */
export async function moved(
  bytes: number,
  { mode, windowMs }: { mode: TrafficMode; windowMs: number },
  pull: () => Promise<unknown>,
  push: (round: number) => Promise<unknown>,
): Promise<Moved> {
  const began = performance.now();
  const underWay: Promise<unknown>[] = [];
  let done = 0;
  for (let round = 0; round < MIN_ROUNDS || performance.now() - began < windowMs; round++) {
    if (mode !== 'push') {
      await pull();
      done += 1;
    }
    if (mode === 'pull') continue;
    if (underWay.length === OUTSTANDING) await underWay.shift();
    underWay.push(push(round));
    done += 1;
  }
  await Promise.all(underWay);
  return { bytes: done * bytes, seconds: (performance.now() - began) / 1000 };
}

/** Keys of pushes that the plan expects; each worker has chunks of its own. Short chunks at an epoch's end are left out. */
function* keysOf({ chunks }: JobPlan, worker: number, of: number) {
  for (let epoch = firstEpoch++; ; epoch++)
    for (let chunk = worker; chunk < chunksInEpoch(chunks) - 1; chunk += of)
      for (let push = 0; push < pushesInChunk(chunks, chunk); push++)
        yield { epoch, chunk, push, examples: examplesInPush(chunks, chunk, push) };
}
/** Every round of a process begins with an epoch of its own: what is pushed twice is not applied. */
let firstEpoch = 0;
