import type { CheckpointManifest, CheckpointShard, ComposeCheckpointRequest, JobPlan } from '@downpour/contracts';
import { captureShardReplySchema, DownpourError, objects, readCaptureReplySchema, subjects } from '@downpour/contracts';
import type { RequestClient } from '@downpour/nats';
import type { ShardRun } from '@downpour/parameters';
import { writeCheckpoint } from '@downpour/parameters';
import type { Logger } from '@downpour/platform';
import { requireTensor } from '@downpour/tensor';
import { randomUUID } from 'node:crypto';

const SILENCE_MS = 10_000;

/** What the composer needs of the object store. */
export interface CheckpointStore {
  put(name: string, bytes: Uint8Array): Promise<unknown>;
  /** Digest: SHA-256, base64url. */
  putStream(name: string, source: AsyncIterable<Uint8Array>): Promise<{ bytes: number; digest: string }>;
}

export interface ComposerParts {
  requests: Pick<RequestClient, 'request'>;
  store: CheckpointStore;
  plan: (jobId: string) => Promise<JobPlan | null>;
  log: Logger;
}

/**
 * Writes checkpoints: asks the owners of a job's shards to copy them, and puts the copies together in the object store, a run of values at a
 * time. Any parameter-shard process can; it holds no state. One that is ended in mid-work leaves nothing but copies that are given up after a minute.
 */
export class CheckpointComposer {
  readonly #parts: ComposerParts;

  constructor(parts: ComposerParts) {
    this.#parts = parts;
  }

  /** @throws DownpourError not-found when the job has no plan; what an owner or the store answers when it cannot be done now */
  async compose(request: ComposeCheckpointRequest): Promise<CheckpointManifest> {
    const { store, log } = this.#parts;
    const { jobId, checkpoint } = request;
    const plan = await this.#parts.plan(jobId);
    if (plan === null) throw new DownpourError('not-found', `Job ${jobId} has no plan: it does not run`);
    const began = performance.now();
    const name = randomUUID();
    const owners = plan.shards.map(({ shard, instance, ownership }) => {
      if (instance === null)
        throw new DownpourError('unavailable', `Shard ${shard} of job ${jobId} has no owner at present`);
      return { shard, instance, ownership, capture: `${name}-${shard}` };
    });
    try {
      const manifest = await writeCheckpoint(plan, request, {
        capture: () => this.#capture(jobId, owners),
        read: (vector, run) => this.#read(owners, vector, run),
        writeModel: async (bytes) => {
          const stored = await store.putStream(objects.checkpointModel(jobId, checkpoint), bytes);
          return { bytes: stored.bytes, sha256: Buffer.from(stored.digest, 'base64url').toString('hex') };
        },
        writeManifest: async (written) => {
          const text = JSON.stringify(written, null, 2);
          await store.put(objects.checkpointManifest(jobId, checkpoint), Buffer.from(text));
        },
      });
      const { epoch, exact, file } = manifest;
      const ms = Math.round(performance.now() - began);
      log.info({ job: jobId, checkpoint, epoch, exact, bytes: file.bytes, ms }, `Wrote checkpoint ${checkpoint}`);
      return manifest;
    } finally {
      this.#release(owners);
    }
  }

  async #capture(jobId: string, owners: readonly Owner[]): Promise<{ slots: string[]; shards: CheckpointShard[] }> {
    const replies = await Promise.all(
      owners.map(({ shard, instance, ownership, capture }) =>
        this.#parts.requests.request(
          subjects.captureShard(instance),
          { type: 'captureShard', v: 1, jobId, shard, ownership, capture },
          undefined,
          { timeoutMs: SILENCE_MS, reply: captureShardReplySchema },
        ),
      ),
    );
    return { slots: replies[0]?.header.slots ?? [], shards: replies.map(({ header }) => header.shard) };
  }

  async #read(owners: readonly Owner[], vector: number, { shard, begin, end }: ShardRun): Promise<Uint8Array> {
    const { instance, capture } = owners.find((owner) => owner.shard === shard)!;
    const { tensors } = await this.#parts.requests.request(
      subjects.readCapture(instance),
      { type: 'readCapture', v: 1, capture, vector, begin, end, release: false },
      undefined,
      { timeoutMs: SILENCE_MS, reply: readCaptureReplySchema },
    );
    return requireTensor(tensors, 'values').data;
  }

  /** Lost, it costs memory for a minute. */
  #release(owners: readonly Owner[]): void {
    for (const { instance, capture } of owners)
      this.#parts.requests
        .request(
          subjects.readCapture(instance),
          { type: 'readCapture', v: 1, capture, vector: 0, begin: 0, end: 0, release: true },
          undefined,
          { timeoutMs: SILENCE_MS },
        )
        .catch(() => undefined);
  }
}

interface Owner {
  shard: number;
  instance: string;
  ownership: number;
  capture: string;
}
