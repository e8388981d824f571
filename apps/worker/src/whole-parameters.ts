import type { JobPlan, KeyRange } from '@downpour/contracts';
import { shardView } from '@downpour/contracts';
import { readingOrder } from '@downpour/parameters';
import type { WorkerVerbs } from './ports.ts';

/** Of what is written to the object store. */
const PIECE_VALUES = 2 ** 17;

/**
 * A job's vector as the shards hold it now, in its order, with one shard of it in memory at a time: for whoever holds only a part of the model. A shard whose
 * ranges do not follow each other is pulled for each run of them.
 */
export async function* wholeParameters(
  plan: JobPlan,
  verbs: Pick<WorkerVerbs, 'openParameters'>,
  signal: AbortSignal,
): AsyncGenerator<Float32Array> {
  let held = -1;
  let vector: Float32Array = new Float32Array(0);
  for (const { shard, begin, end } of readingOrder(plan.shards, plan.layout.length, Infinity)) {
    if (held !== shard) {
      vector = new Float32Array(0);
      vector = await pulled(plan, shard, verbs, signal);
      held = shard;
    }
    yield vector.subarray(begin, end);
  }
}

async function pulled(
  plan: JobPlan,
  shard: number,
  verbs: Pick<WorkerVerbs, 'openParameters'>,
  signal: AbortSignal,
): Promise<Float32Array> {
  const view = (whole: JobPlan): JobPlan => shardView(whole, shard);
  const parameters = await verbs.openParameters(plan, view);
  try {
    const into = { vector: new Float32Array(view(plan).layout.length), versions: plan.shards.map(() => -1) };
    return (await parameters.pull(into, signal, { exact: true })).vector;
  } finally {
    await parameters.close();
  }
}

/** The bytes of these ranges of a vector that comes in parts; both in its order. */
export async function* bytesOf(
  parts: AsyncIterable<Float32Array> | Iterable<Float32Array>,
  ranges: readonly KeyRange[],
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const part of parts) {
    for (const { begin, end } of ranges)
      for (let from = Math.max(begin, at); from < Math.min(end, at + part.length); from += PIECE_VALUES) {
        const piece = part.subarray(from - at, Math.min(from + PIECE_VALUES, end, at + part.length) - at);
        yield new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
      }
    at += part.length;
  }
}
