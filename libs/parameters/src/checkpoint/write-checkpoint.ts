import type { CheckpointManifest, CheckpointShard, ComposeCheckpointRequest, JobPlan } from '@downpour/contracts';
import { DownpourError, pushesInEpoch } from '@downpour/contracts';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger } from '../ledger.ts';
import { checkpointHeader, vectorLength } from './checkpoint-file.ts';
import { ledgerFromJson, samePushes } from './ledger-json.ts';
import { readingOrder } from './reading-order.ts';
import type { ShardRun } from './reading-order.ts';

/** Values of one read: small beside a shard, large beside a round trip. */
const RUN_VALUES = 2 ** 18;
const ALIKE_TRIES = 50;
const ALIKE_RETRY_MS = 20;

/** What shards and store do for whoever writes a checkpoint. */
export interface CheckpointVerbs {
  /** Has every shard copied, all at about the same time. In order of shards. */
  capture(plan: JobPlan): Promise<{ slots: string[]; shards: CheckpointShard[] }>;
  /** Values of one copy, float32 little-endian. */
  read(vector: number, run: ShardRun): Promise<Uint8Array>;
  /** Writes model.safetensors, whole or not at all. SHA-256 in hexadecimal. */
  writeModel(bytes: AsyncIterable<Uint8Array>): Promise<{ bytes: number; sha256: string }>;
  writeManifest(manifest: CheckpointManifest): Promise<void>;
}

/** Writes one checkpoint of a job. Nothing is held in memory but the runs under way. The manifest comes last: until then there is no checkpoint. */
export const writeCheckpoint = async (
  plan: JobPlan,
  { checkpoint, why }: Pick<ComposeCheckpointRequest, 'checkpoint' | 'why'>,
  verbs: CheckpointVerbs,
): Promise<CheckpointManifest> => {
  const { jobId, spec, dataset, topology, layout, chunks, control } = plan;
  const { slots, shards } = await captureAlike(plan, verbs);
  const at = new Date().toISOString();
  const metadata = { producer: 'downpour', job: jobId, checkpoint: String(checkpoint), takenAt: at };
  const { bytes: head } = checkpointHeader(layout, slots, metadata);
  const file = await verbs.writeModel(fileBytes(plan, shards, slots.length, head, verbs));
  const ledgers = shards.map(({ ledger }) => ledgerFromJson(ledger));
  const settled = Math.min(...ledgers.map((state) => Ledger.restore(chunks, state).settled));
  const manifest: CheckpointManifest = {
    format: 'downpour-checkpoint',
    v: 1,
    job: jobId,
    checkpoint,
    why,
    at,
    epoch: settled / pushesInEpoch(chunks),
    step: Math.min(...shards.map(({ version }) => version)),
    exact: ledgers.every((ledger) => samePushes(ledger, ledgers[0]!)),
    file: { name: 'model.safetensors', ...file },
    spec,
    dataset,
    topology,
    layout,
    chunks,
    slots,
    ...(control && { learningRateFactor: control.learningRateFactor }),
    shards,
  };
  await verbs.writeManifest(manifest);
  return manifest;
};

/** Of sandblaster the point of one iteration: while one is being accepted, or shards go back to one, they are at different ones. */
const captureAlike = async (plan: JobPlan, verbs: CheckpointVerbs): ReturnType<CheckpointVerbs['capture']> => {
  for (let tries = 1; ; tries++) {
    const captured = await verbs.capture(plan);
    const versions = captured.shards.map(({ version }) => version);
    if (plan.spec.strategy.kind !== 'sandblaster' || new Set(versions).size === 1) return captured;
    if (tries === ALIKE_TRIES)
      throw new DownpourError(
        'unavailable',
        `The shards of job ${plan.jobId} are at different iterations: versions ${versions.join(', ')}`,
      );
    await sleep(ALIKE_RETRY_MS);
  }
};

async function* fileBytes(
  { layout }: JobPlan,
  shards: readonly CheckpointShard[],
  slots: number,
  head: Uint8Array,
  { read }: CheckpointVerbs,
): AsyncGenerator<Uint8Array> {
  yield head;
  // One run is fetched while the one before is stored.
  let next: Promise<Uint8Array> | null = null;
  for (let vector = 0; vector <= slots; vector++)
    for (const run of readingOrder(shards, vectorLength(layout, vector), RUN_VALUES)) {
      const before: Promise<Uint8Array> | null = next;
      next = read(vector, run);
      // Awaited in its turn.
      next.catch(() => undefined);
      if (before !== null) yield await before;
    }
  if (next !== null) yield await next;
}
