import type {
  CheckpointManifest,
  JobEvent,
  JobPlan,
  PushHeader,
  ShardEvent,
  UpdateRuleSpec,
} from '@downpour/contracts';
import { DownpourError, jobPlanSchema, jobSpecSchema } from '@downpour/contracts';
import { placeParameters, rangesLength } from '@downpour/parameters';
import { fakeGradient, fakePushes, MemoryPushLog, MemorySnapshotStore } from '@downpour/parameters/fakes';
import type { ShardPorts } from './ports.ts';

export interface FakePlanOptions {
  jobId?: string;
  /** Owner of each shard. */
  owners: (string | null)[];
  ownership?: number;
  length?: number;
  epochs?: number;
  rule?: UpdateRuleSpec;
}

/** A job of two variables and some state; 50 examples, 8 pushes an epoch. */
export const fakePlan = ({
  jobId = 'job-a',
  owners,
  ownership = 1,
  length = 40,
  epochs = 2,
  rule = { kind: 'sgd', learningRate: 0.1 },
}: FakePlanOptions): JobPlan => {
  const spec = jobSpecSchema.parse({ model: { zoo: 'logistic' }, dataset: 'mnist', updateRule: rule, epochs });
  const sizes = [length - 10, 6, 4];
  const variables = sizes.map((size, index) => ({
    name: `v${index}`,
    shape: [size],
    offset: sizes.slice(0, index).reduce((sum, part) => sum + part, 0),
    length: size,
    trainable: index < 2,
  }));
  const layout = { length, trainableLength: length - 4, variables };
  const summary = {
    trainExamples: 50,
    testExamples: 0,
    featureShape: [1],
    featureType: 'float32',
    labelKind: 'number',
    classes: 0,
    labelWidth: 1,
  };
  return jobPlanSchema.parse({
    v: 1,
    jobId,
    spec,
    dataset: { id: 'mnist', summary },
    topology: {},
    layout,
    chunks: { examples: 50, chunkSize: 20, batchSize: 4, nPush: 2, epochs, seed: 1 },
    shards: placeParameters(layout, owners.length, 'split').map((ranges, shard) => ({
      shard,
      ranges,
      instance: owners[shard],
      ownership,
    })),
    warmstartWorker: null,
    phase: 'training',
  });
};

/** Every push of the job to one shard, with a gradient of its own. */
export const fakeShardPushes = (
  plan: JobPlan,
  shard: number,
): { header: PushHeader; gradient: ReturnType<typeof fakeGradient> }[] => {
  const length = rangesLength(plan.shards[shard]!.ranges);
  return fakePushes({ jobId: plan.jobId, shard, chunks: plan.chunks }).map((header, index) => ({
    header,
    gradient: fakeGradient(length, 100 * shard + index),
  }));
};

/** Logs, snapshots and events in memory, for any number of processes. */
export class FakeCluster implements ShardPorts {
  readonly events: JobEvent[] = [];
  /** As they are stored, by job. */
  readonly plans = new Map<string, JobPlan>();
  readonly #logs = new Map<string, MemoryPushLog>();
  readonly #stores = new Map<string, MemorySnapshotStore>();
  /** What the prepared job has; null: the store is away. */
  initial: Float32Array | null = Float32Array.from({ length: 40 }, (_, index) => index);

  log(jobId: string, shard: number): MemoryPushLog {
    return entry(this.#logs, `${jobId}/${shard}`, () => new MemoryPushLog());
  }

  snapshots(jobId: string, shard: number): MemorySnapshotStore {
    return entry(this.#stores, `${jobId}/${shard}`, () => new MemorySnapshotStore());
  }

  async initialParameters(): Promise<AsyncIterable<Uint8Array>> {
    if (this.initial === null) throw new Error('the object store is away');
    const { buffer, byteOffset, byteLength } = this.initial;
    return pieces(new Uint8Array(buffer, byteOffset, byteLength));
  }

  async plan(jobId: string): Promise<JobPlan | null> {
    return this.plans.get(jobId) ?? null;
  }

  /** Checkpoints, by job and number. */
  readonly checkpoints = new Map<string, { manifest: CheckpointManifest; file: Uint8Array }>();

  async checkpoint(jobId: string, number: number) {
    const stored = this.checkpoints.get(`${jobId}/${number}`);
    if (stored === undefined) throw new DownpourError('not-found', `There is no checkpoint ${number} of ${jobId}`);
    return { manifest: stored.manifest, file: pieces(stored.file) };
  }

  report(_jobId: string, event: JobEvent): void {
    this.events.push(event);
  }

  async publish(_jobId: string, event: JobEvent): Promise<void> {
    this.events.push(event);
  }

  ofType<T extends JobEvent['type']>(type: T): Extract<JobEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<JobEvent, { type: T }> => event.type === type);
  }

  lastOf(shard: number): ShardEvent | undefined {
    return this.ofType('shard').findLast((event) => event.shard === shard);
  }
}

const entry = <V>(map: Map<string, V>, key: string, make: () => V): V => {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
};

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 100) yield bytes.subarray(at, at + 100);
}
