import type {
  CheckpointManifest,
  ChunkPlan,
  ComposeCheckpointRequest,
  DatasetSummary,
  EvaluateTask,
  JobEvent,
  JobPlan,
  Member,
  MissingChunks,
  PortionReply,
  PortionRequest,
  PrepareReply,
  PrepareRequest,
  PushLogSpec,
  RestoreVectorsReply,
  RestoreVectorsRequest,
  Role,
  ShardControl,
  ShardLedger,
  VectorOperationsReply,
  VectorOperationsRequest,
} from '@downpour/contracts';
import { chunksInEpoch, DownpourError, examplesInPush, pushesInChunk } from '@downpour/contracts';
import type { CoordinatorPort, DatasetLookup, ShardAccount } from '../ports.ts';
import { missingChunks, shardLedger } from './fake-ledger.ts';
import type { FakePush } from './fake-ledger.ts';
import { fakeManifest } from './fake-manifest.ts';
import { FakeVectors } from './fake-vectors.ts';
import type { MemoryEvents, MemoryPlanRepository } from './memory-stores.ts';

export const START = Date.parse('2026-11-24T12:00:00.000Z');
export const SUMMARY: DatasetSummary = {
  trainExamples: 1000,
  testExamples: 100,
  featureShape: [28, 28, 1],
  featureType: 'uint8',
  labelKind: 'class',
  classes: 10,
  labelWidth: 1,
};
const LENGTHS = [7840, 10];

/** A cluster in memory: queues, shards with ledgers, members that come and go. Time stands still unless a test moves it. */
export class FakeCluster implements CoordinatorPort, DatasetLookup {
  nowMs = START;
  readonly clock = { now: () => this.nowMs };
  readonly alive = new Map<string, Member>();
  readonly chunks = new Map<string, { epoch: number; chunk: number }[]>();
  readonly evaluations: EvaluateTask[] = [];
  readonly enqueued: string[] = [];
  readonly streams = new Set<string>();
  readonly removedObjects: string[] = [];
  readonly storedObjects = new Map<string, Uint8Array>();
  readonly keptLogs = new Set<string>();
  /** Workers that still have a chunk in hand. */
  readonly holding = new Set<string>();
  readonly manifests = new Map<string, CheckpointManifest>();
  readonly composed: ComposeCheckpointRequest[] = [];
  composeError: Error | null = null;
  readonly log = new Map<string, FakePush[]>();
  /** What each shard's log says of how it is folded, by `job/shard`. */
  readonly controls = new Map<string, ShardControl>();
  prepareError: Error | null = null;
  prepareCalls = 0;
  failNext: Error | null = null;
  summaries = new Map<string, DatasetSummary>([['mnist', SUMMARY]]);
  /** Shards of sandblaster jobs. */
  readonly vectors: FakeVectors;
  readonly #events: MemoryEvents;
  readonly #plans: MemoryPlanRepository;

  constructor(events: MemoryEvents, plans: MemoryPlanRepository) {
    this.vectors = new FakeVectors(
      (jobId) => this.#plan(jobId),
      (instance) => this.alive.has(instance),
    );
    this.#events = events;
    this.#plans = plans;
  }

  join(role: Role, ...instances: string[]): void {
    for (const instance of instances) {
      this.alive.set(instance, {
        role,
        instance,
        host: 'host',
        pid: 1,
        startedAt: this.at,
        version: '0',
        draining: false,
        details: {},
      });
    }
  }
  leave(...instances: string[]): void {
    for (const instance of instances) {
      this.alive.delete(instance);
      this.vectors.lose(instance);
    }
  }
  drain(instance: string): void {
    const member = this.alive.get(instance);
    if (member !== undefined) this.alive.set(instance, { ...member, draining: true });
  }
  get at(): string {
    return new Date(this.nowMs).toISOString();
  }

  operateVectors(instance: string, request: VectorOperationsRequest): Promise<VectorOperationsReply> {
    return this.vectors.operate(instance, request);
  }
  restoreVectors(instance: string, request: RestoreVectorsRequest): Promise<RestoreVectorsReply> {
    return this.vectors.restore(instance, request);
  }
  servePortions(jobId: string, answer: (request: PortionRequest) => Promise<PortionReply>): () => void {
    return this.vectors.servePortions(jobId, answer);
  }

  members(): Member[] {
    return [...this.alive.values()];
  }
  async summary(id: string): Promise<DatasetSummary | null> {
    return this.summaries.get(id) ?? null;
  }
  async prepare({ jobId, spec }: PrepareRequest): Promise<PrepareReply> {
    this.prepareCalls += 1;
    if (this.prepareError !== null) throw this.prepareError;
    this.#mayFail();
    let offset = 0;
    const variables = LENGTHS.map((length, index) => {
      const variable = { name: `v${index}`, shape: [length], offset, length, trainable: true };
      offset += length;
      return variable;
    });
    return {
      type: 'prepared',
      v: 1,
      jobId,
      topology: { class_name: 'Sequential' },
      layout: { length: offset, trainableLength: offset, variables },
      loss: spec.loss ?? 'softmaxCrossEntropy',
      // Variables by turns.
      ...(spec.partitions && {
        cut: {
          partitions: spec.partitions.count,
          nodes: [],
          variables: variables.map((_, i) => i % spec.partitions!.count),
        },
      }),
    };
  }
  async createStreams(jobId: string, log: PushLogSpec): Promise<{ logBytes: number | null }> {
    this.#mayFail();
    this.streams.add(jobId);
    if (!this.chunks.has(jobId)) this.chunks.set(jobId, []);
    return { logBytes: log.storage === 'none' ? null : (log.maxBytes ?? 2 ** 30) };
  }
  async removeStreams(jobId: string, keepLog: boolean): Promise<void> {
    this.#mayFail();
    if (keepLog) this.keptLogs.add(jobId);
    this.streams.delete(jobId);
    this.chunks.delete(jobId);
  }
  async purgeChunks(jobId: string): Promise<void> {
    this.chunks.set(jobId, []);
  }
  async enqueueEpoch(jobId: string, epoch: number, plan: ChunkPlan): Promise<void> {
    this.#mayFail();
    this.enqueued.push(`${jobId}/${epoch}`);
    for (let chunk = 0; chunk < chunksInEpoch(plan); chunk++) this.chunks.get(jobId)?.push({ epoch, chunk });
  }
  async giveOutAgain(jobId: string, missing: MissingChunks): Promise<void> {
    this.#mayFail();
    for (const { epoch, chunks } of missing) for (const chunk of chunks) this.chunks.get(jobId)?.push({ epoch, chunk });
  }
  async publishControl(jobId: string, shard: number, control: ShardControl): Promise<void> {
    this.#mayFail();
    this.controls.set(`${jobId}/${shard}`, control);
  }
  async pendingChunks(jobId: string): Promise<number> {
    this.#mayFail();
    return this.chunks.get(jobId)?.length ?? 0;
  }
  async enqueueEvaluation(task: EvaluateTask): Promise<void> {
    this.#mayFail();
    this.evaluations.push(task);
  }
  async ledger(instance: string, jobId: string, shard: number, missingBelow = 0): Promise<ShardAccount> {
    if (!this.alive.has(instance)) throw new DownpourError('timeout', `${instance} does not answer`);
    const ledger = this.#ledger(jobId, shard);
    const missing = missingChunks(this.#plan(jobId), this.log.get(jobId) ?? [], missingBelow);
    return { ledger, complete: ledger.applied === ledger.expected, missing };
  }
  async publishEvent(jobId: string, event: JobEvent): Promise<void> {
    this.#mayFail();
    this.#events.publish(jobId, event);
  }
  async holds(instance: string): Promise<boolean> {
    return this.holding.has(instance);
  }
  async composeCheckpoint(request: ComposeCheckpointRequest): Promise<CheckpointManifest> {
    this.composed.push(request);
    if (this.composeError !== null) throw this.composeError;
    const { jobId, checkpoint } = request;
    const manifest = fakeManifest(this.#plan(jobId), this.#ledger(jobId, 0), request, this.at);
    this.manifests.set(`${jobId}/${checkpoint}`, manifest);
    return manifest;
  }
  async checkpointManifest(jobId: string, checkpoint: number): Promise<CheckpointManifest> {
    const manifest = this.manifests.get(`${jobId}/${checkpoint}`);
    if (manifest === undefined) throw new DownpourError('not-found', `no manifest of ${jobId}/${checkpoint}`);
    return manifest;
  }
  async storeObject(name: string, bytes: Uint8Array): Promise<void> {
    this.storedObjects.set(name, bytes);
  }
  async removeObjects(prefix: string): Promise<void> {
    this.removedObjects.push(prefix);
  }

  /** A worker takes chunks and makes their pushes durable. Returns how many chunks there were. */
  work(jobId: string, count: number): number {
    const plan = this.#plan(jobId);
    const queue = this.chunks.get(jobId) ?? [];
    const taken = queue.splice(0, count);
    for (const { epoch, chunk } of taken) {
      for (let push = 0; push < pushesInChunk(plan.chunks, chunk); push++) {
        this.push(jobId, { key: `${epoch}/${chunk}/${push}`, examples: examplesInPush(plan.chunks, chunk, push) });
      }
    }
    return taken.length;
  }
  push(jobId: string, push: FakePush): void {
    this.log.set(jobId, [...(this.log.get(jobId) ?? []), push]);
  }

  /** Every shard of the job tells what it has applied: all of the log, by its ledger once each. */
  report(jobId: string, changes: Partial<Extract<JobEvent, { type: 'shard' }>> = {}): void {
    for (const event of this.shardEvents(jobId, changes)) this.#events.publish(jobId, event);
  }
  shardEvents(jobId: string, changes: Partial<Extract<JobEvent, { type: 'shard' }>> = {}): JobEvent[] {
    return this.#plan(jobId).shards.flatMap(({ shard, instance, ownership }): JobEvent[] => {
      if (instance === null || !this.alive.has(instance)) return [];
      const ledger = this.#ledger(jobId, shard);
      return [
        {
          type: 'shard',
          at: this.at,
          shard,
          instance,
          ownership,
          version: ledger.applied,
          controlRevision: this.controls.get(`${jobId}/${shard}`)?.revision ?? 0,
          state: 'serving',
          reason: null,
          ledger,
          complete: ledger.applied === ledger.expected,
          stalenessMean: 1.5,
          stalenessMax: 3,
          bytes: 4,
          bytesIn: 0,
          bytesOut: 0,
          epochsApplied: [],
          ...changes,
        },
      ];
    });
  }

  /** A worker does the evaluations that are asked for. */
  evaluate(accuracy = 0.9, metrics: Record<string, number> = {}): number {
    const tasks = this.evaluations.splice(0);
    for (const { jobId, epoch, final } of tasks) {
      const evaluation = { loss: 1 - accuracy, accuracy, metrics, examples: 100, epoch, at: this.at };
      this.#events.publish(jobId, { type: 'evaluation', at: this.at, evaluation, final, instance: 'w1' });
    }
    return tasks.length;
  }

  #ledger(jobId: string, shard: number): ShardLedger {
    return this.vectors.account(jobId, shard) ?? shardLedger(this.#plan(jobId), this.log.get(jobId) ?? [], shard);
  }
  #plan(jobId: string): JobPlan {
    const plan = this.#plans.peek(jobId);
    if (plan === null) throw new Error(`Job ${jobId} has no plan`);
    return plan;
  }
  #mayFail(): void {
    const error = this.failNext;
    this.failNext = null;
    if (error !== null) throw error;
  }
}
