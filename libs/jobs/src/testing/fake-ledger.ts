import type { JobPlan, MissingChunks, ShardLedger } from '@downpour/contracts';
import { chunksInEpoch, expectedPushes, pushesInChunk } from '@downpour/contracts';

export interface FakePush {
  /** `epoch/chunk/push` */
  key: string;
  examples: number;
}

/** What a shard that has applied all of the log says of it: each push once. */
export function shardLedger({ chunks, shards }: JobPlan, log: readonly FakePush[], shard: number): ShardLedger {
  const unique = new Map(log.map((push) => [push.key, push.examples]));
  return {
    shard,
    instance: shards[shard]?.instance ?? null,
    expected: expectedPushes(chunks),
    applied: unique.size,
    duplicatesDropped: log.length - unique.size,
    lateDropped: 0,
    badDropped: 0,
    refused: 0,
    examplesDropped: 0,
    badPushes: [],
    examplesApplied: [...unique.values()].reduce((sum, examples) => sum + examples, 0),
  };
}

/** Chunks of the epochs below that one of which the log lacks a push. */
export function missingChunks({ chunks: plan }: JobPlan, log: readonly FakePush[], below: number): MissingChunks {
  const applied = new Set(log.map(({ key }) => key));
  const lacks = (epoch: number, chunk: number) =>
    Array.from({ length: pushesInChunk(plan, chunk) }, (_, push) => `${epoch}/${chunk}/${push}`).some(
      (key) => !applied.has(key),
    );
  const chunks = Array.from({ length: chunksInEpoch(plan) }, (_, chunk) => chunk);
  return Array.from({ length: below }, (_, epoch) => ({
    epoch,
    chunks: chunks.filter((chunk) => lacks(epoch, chunk)),
  })).filter((each) => each.chunks.length > 0);
}
