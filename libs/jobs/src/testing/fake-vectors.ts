import type {
  JobPlan,
  PortionReply,
  PortionRequest,
  PushHeader,
  RestoreVectorsReply,
  RestoreVectorsRequest,
  ShardLedger,
  VectorOperationsReply,
  VectorOperationsRequest,
} from '@downpour/contracts';
import { DownpourError, examplesInPush } from '@downpour/contracts';
import { BatchShard, openIteration, scatterRanges, sealSnapshot, shardIdentity } from '@downpour/parameters';
import { setTimeout as sleep } from 'node:timers/promises';

/** Of the spec's default. */
const HISTORY = 10;

interface HeldShard {
  instance: string;
  ownership: number;
  batch: BatchShard;
  session: { name: string; round: number; scalars: number[] } | null;
  version: number;
}

interface StoredFile {
  iteration: number;
  state: string;
  bytes: Uint8Array;
}

/**
 * Sandblaster shards in memory, with vectors that are there, and workers that compute a gradient: of the mean over all examples of sum_i c_i / 2 * (x_i - t_i)^2,
 * where t is another one in each portion. What a shard stored outlives its owner.
 */
export class FakeVectors {
  /** Called with each push before it is applied. */
  onPush: (push: PushHeader) => void = () => undefined;
  readonly operated: VectorOperationsRequest[] = [];
  readonly stored = new Map<string, StoredFile[]>();
  readonly #plan: (jobId: string) => JobPlan;
  readonly #lives: (instance: string) => boolean;
  readonly #held = new Map<string, HeldShard>();
  readonly #portions = new Map<string, (request: PortionRequest) => Promise<PortionReply>>();

  constructor(plan: (jobId: string) => JobPlan, lives: (instance: string) => boolean) {
    this.#plan = plan;
    this.#lives = lives;
  }

  async operate(instance: string, request: VectorOperationsRequest): Promise<VectorOperationsReply> {
    const { jobId, shard, session: name, round, operations } = request;
    const held = await this.#shard(jobId, shard, instance);
    this.operated.push(request);
    const { session } = held;
    if (session?.name !== name || (round !== session.round && round !== session.round + 1))
      throw new DownpourError('conflict', `shard ${shard} is not at round ${round}`);
    const stored = this.#newest(jobId, shard)?.iteration ?? -1;
    if (round === session.round)
      return { type: 'vectorsOperated', v: 1, shard, round, scalars: session.scalars, stored };
    const { scalars, commits } = held.batch.operate(operations);
    for (const { iteration, file } of commits) {
      const commit = operations.find((each) => each.op === 'commit' && each.iteration === iteration);
      const state = commit?.op === 'commit' ? commit.state : '';
      const kept = this.#files(jobId, shard).filter((other) => other.iteration < iteration);
      this.stored.set(`${jobId}/${shard}`, [...kept, { iteration, state, bytes: await sealSnapshot(file) }]);
    }
    held.version = Math.max(held.version, held.batch.version);
    held.session = { name, round, scalars };
    return { type: 'vectorsOperated', v: 1, shard, round, scalars, stored };
  }

  async restore(instance: string, request: RestoreVectorsRequest): Promise<RestoreVectorsReply> {
    const { jobId, shard, session, iteration } = request;
    const held = await this.#shard(jobId, shard, instance);
    if (iteration !== null) {
      held.batch = await this.#batch(jobId, shard, iteration);
      held.session = { name: session, round: 0, scalars: [] };
    }
    const file =
      iteration === null
        ? this.#newest(jobId, shard)
        : this.#files(jobId, shard).find((each) => each.iteration === iteration);
    const { iteration: at = -1, state = null } = file ?? {};
    return { type: 'vectorsRestored', v: 1, shard, iteration: at, state, version: held.version };
  }

  servePortions(jobId: string, answer: (request: PortionRequest) => Promise<PortionReply>): () => void {
    this.#portions.set(jobId, answer);
    return () => {
      if (this.#portions.get(jobId) === answer) this.#portions.delete(jobId);
    };
  }

  /** Null where nobody coordinates the job. */
  async ask(jobId: string, worker: string, more: Partial<PortionRequest> = {}): Promise<PortionReply | null> {
    const nothing = { waitMs: 20, finished: [], returned: [] };
    const request: PortionRequest = { type: 'portion', v: 1, jobId, worker, ...nothing, ...more };
    return (await this.#portions.get(jobId)?.(request)) ?? null;
  }

  /** Does portions for as long as it lives and the job has a plan. */
  async work(jobId: string, worker: string): Promise<void> {
    while (this.#lives(worker)) {
      const task = (await this.ask(jobId, worker, { holding: [] }).catch(() => null))?.task;
      if (task) {
        const key = { epoch: task.epoch, chunk: task.chunk };
        const done = this.#push(jobId, worker, task.epoch, task.chunk, task.version ?? 0);
        await this.ask(jobId, worker, { waitMs: null, ...(done ? { finished: [key] } : { returned: [key] }) });
        if (done) continue;
      }
      await sleep(1);
    }
  }

  /** The job's point, of all shards. */
  point(jobId: string): Float32Array {
    const { layout, shards } = this.#plan(jobId);
    const point = new Float32Array(layout.length);
    for (const { shard, ranges } of shards) scatterRanges(this.#pointOf(jobId, shard), ranges, point);
    return point;
  }

  account(jobId: string, shard: number): ShardLedger | null {
    const held = this.#held.get(`${jobId}/${shard}`);
    return held === undefined ? null : held.batch.account(held.instance);
  }

  /** The process is gone, and what it had in memory with it. */
  lose(instance: string): void {
    for (const [key, held] of this.#held) if (held.instance === instance) this.#held.delete(key);
  }

  /** False: the shards have another point by now, or one is away. */
  #push(jobId: string, worker: string, epoch: number, chunk: number, version: number): boolean {
    const plan = this.#plan(jobId);
    const examples = examplesInPush(plan.chunks, chunk, 0);
    const held = plan.shards.map(({ shard }) => this.#held.get(`${jobId}/${shard}`));
    if (!held.every((each) => each?.batch.version === version)) return false;
    const parts = plan.shards.map(({ shard, ranges }) => {
      const point = this.#pointOf(jobId, shard);
      const gradient = new Float32Array(point.length);
      let loss = 0;
      let at = 0;
      for (const { begin, end } of ranges)
        for (let i = begin; i < end; i++, at++) {
          const curvature = 1 + (i % 10);
          const away = point[at]! - Math.sin(i) - 0.01 * chunk;
          gradient[at] = examples * curvature * away;
          loss += (examples * curvature * away * away) / 2;
        }
      return { shard, gradient, loss };
    });
    const loss = parts.reduce((sum, part) => sum + part.loss, 0);
    for (const { shard, gradient } of parts) {
      const push: PushHeader = {
        type: 'push',
        v: 1,
        jobId,
        shard,
        epoch,
        chunk,
        push: 0,
        version,
        examples,
        worker,
        loss,
      };
      this.onPush(push);
      const data = new Uint8Array(gradient.buffer);
      // Gone by now, maybe.
      const batch = this.#held.get(`${jobId}/${shard}`)?.batch;
      if (batch === undefined) return false;
      batch.apply(push, { dtype: 'float32', shape: [gradient.length], data });
    }
    return true;
  }

  #pointOf(jobId: string, shard: number): Float32Array {
    const held = this.#held.get(`${jobId}/${shard}`);
    if (held === undefined) throw new Error(`Nobody holds shard ${shard}`);
    return held.batch.point('point')['parameters']!.data as Float32Array;
  }

  /** A new owner loads what was stored last. */
  async #shard(jobId: string, shard: number, instance: string): Promise<HeldShard> {
    if (!this.#lives(instance)) throw new DownpourError('timeout', `${instance} does not answer`);
    const placement = this.#plan(jobId).shards[shard];
    if (placement?.instance !== instance) throw new DownpourError('not-owner', `${instance} has no shard ${shard}`);
    const { ownership } = placement;
    const key = `${jobId}/${shard}`;
    const known = this.#held.get(key);
    if (known?.instance === instance && known.ownership === ownership) return known;
    const batch = await this.#batch(jobId, shard, this.#newest(jobId, shard)?.iteration ?? -1);
    const held = { instance, ownership, batch, session: null, version: batch.version };
    this.#held.set(key, held);
    return held;
  }

  async #batch(jobId: string, shard: number, iteration: number): Promise<BatchShard> {
    const identity = shardIdentity(this.#plan(jobId), shard);
    if (iteration < 0) return BatchShard.initial(identity, HISTORY, new Float32Array(identity.length));
    const file = this.#files(jobId, shard).find((each) => each.iteration === iteration);
    if (file === undefined) throw new DownpourError('not-found', `shard ${shard} has no iteration ${iteration}`);
    return BatchShard.restore(identity, HISTORY, await openIteration(file.bytes, identity));
  }

  #files(jobId: string, shard: number): StoredFile[] {
    return this.stored.get(`${jobId}/${shard}`) ?? [];
  }

  #newest(jobId: string, shard: number): StoredFile | undefined {
    return this.#files(jobId, shard).at(-1);
  }
}
