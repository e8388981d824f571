import { DownpourError, INT8_BLOCK, pullReplySchema, pushPullReplySchema, subjects } from '@downpour/contracts';
import type {
  ErrorCode,
  JobPlan,
  KeyRange,
  ValueEncoding,
  PullReply,
  PushHeader,
  PushPullRequest,
  ShardPlacement,
} from '@downpour/contracts';
import { rangesLength } from '@downpour/parameters';
import { BYTES_PER_ELEMENT, decodeFrame, encodeFrame, requireTensor } from '@downpour/tensor';
import type { OutgoingTensor, Tensor, TensorFrame } from '@downpour/tensor';
import type { ParameterClient, PulledParameters, PullOptions, PushRequest } from '@downpour/training';
import { FramePool } from '../link/frame-pool.ts';
import type { PlanWatcher } from '../kv/plan-watcher.ts';
import { FlowWindow } from '../streams/flow-window.ts';
import type { PushPublisher } from '../streams/push-publisher.ts';
import type { RequestClient } from '../transport/request-client.ts';
import { ParameterMemory } from './parameter-memory.ts';
import { pause } from '../link/pause.ts';
import { releaseReceived } from '../link/receive-slabs.ts';

export interface ParameterClientOptions {
  requests: RequestClient;
  publisher: PushPublisher;
  /** Memory of pushes to shards without a log. @default one of its own */
  frames?: FramePool;
  plans: Pick<PlanWatcher, 'current' | 'next'>;
  plan: Pick<JobPlan, 'jobId' | 'spec' | 'layout' | 'shards'>;
  /** Named in pushes. */
  instance: string;
  /** Most pushes (each to all shards) not yet durable. @default 4 */
  window?: number;
}

/** A shard that has died is noticed by the silence of its member key at the latest; this is for one that hangs. */
const OWNER_SILENCE_MS = 5000;
const FIRST_BACKOFF_MS = 10;
const MAX_BACKOFF_MS = 500;
/** A gradient being computed and one that it is added to, parameters being computed on and parameters being fetched. */
const VECTORS_BESIDE_PUSHES = 4;
/** What passes by itself: the coordinator names another owner, the owner finishes loading. */
const PASSING: readonly ErrorCode[] = ['unavailable', 'not-owner', 'loading', 'timeout', 'not-found'];

/** One question, and what the plan said of its shard. */
interface UnderWay {
  placement: ShardPlacement;
  moved: AbortController;
}

/** Who may be asked for a shard: during a handover the owner before first, for the new one is still loading. */
interface Owner {
  instance: string;
  ownership: number;
}
const ownerOf = ({ instance, ownership }: ShardPlacement): Owner[] =>
  instance === null ? [] : [{ instance, ownership }];
const ownersOf = (placement: ShardPlacement): Owner[] => [
  ...(placement.previous === undefined ? [] : [placement.previous]),
  ...ownerOf(placement),
];

/** Pulls from and pushes to the shards of one job, whoever owns them at the moment. */
export class NatsParameterClient implements ParameterClient {
  readonly #options: ParameterClientOptions & { frames: FramePool };
  readonly #window: FlowWindow;
  readonly #memory: ParameterMemory;
  readonly #closed = new AbortController();
  readonly #underWay = new Set<UnderWay>();

  constructor(options: ParameterClientOptions) {
    this.#options = { ...options, frames: options.frames ?? new FramePool() };
    const { window = 4, plan } = options;
    this.#window = new FlowWindow(window);
    this.#memory = new ParameterMemory(plan, window + VECTORS_BESIDE_PUSHES);
    void this.#watchOwners();
  }

  /**
   * One request to each shard, all at once; each part goes from the receive buffer straight to its place in `into.vector`.
   * @throws DownpourError not-found when the job's plan is gone; the signal's reason. Nothing is written to `into` any more then.
   */
  async pull(
    into: PulledParameters,
    signal: AbortSignal,
    { exact = false }: PullOptions = {},
  ): Promise<PulledParameters> {
    const { shards } = this.#plan();
    await together(
      this.#with(signal),
      shards.map(
        ({ shard }) =>
          (all) =>
            this.#pullShard(shard, into, exact ? 'float32' : this.#options.plan.spec.encoding.parameters, all),
      ),
    );
    return into;
  }

  get pushPulls(): boolean {
    return this.#options.plan.spec.log.storage === 'none';
  }

  allocate(): Float32Array | null {
    return this.#memory.allocate();
  }

  finite(vector: Float32Array): boolean {
    return this.#memory.finite(vector) ?? vector.every(Number.isFinite);
  }

  addScaled(factor: number, x: Float32Array, y: Float32Array): boolean {
    return this.#memory.addScaled(factor, x, y);
  }

  async push(request: PushRequest, signal: AbortSignal): Promise<void> {
    const { instance, publisher, plan } = this.#options;
    const { jobId } = plan;
    const { shards } = this.#plan();
    const { gradient, versions, epoch, chunk, push, examples, pull, bad } = request;
    const either = this.#with(signal);
    const leave = await this.#window.enter(1, either);
    try {
      await together(
        either,
        shards.map(({ shard, ranges }) => (all) => {
          const version = Math.max(0, versions[shard] ?? 0);
          const header = {
            type: 'push',
            v: 1,
            jobId,
            shard,
            epoch,
            chunk,
            push,
            version,
            examples,
            worker: instance,
            ...(bad && { bad }),
          } as const;
          const tensors = () => (bad ? this.#memory.none() : this.#memory.encode(gradient, shard, ranges));
          if (this.pushPulls) return this.#pushPull(header, tensors, ranges, pull ?? null, all);
          const bytes = rangesLength(ranges) * Float32Array.BYTES_PER_ELEMENT;
          return publisher.publish(header, { bytes, tensors }, all);
        }),
      );
    } finally {
      leave();
    }
  }

  /** Ends pulls and pushes under way. */
  async close(): Promise<void> {
    this.#closed.abort(
      new DownpourError('unavailable', `The parameters of job ${this.#options.plan.jobId} were let go of`),
    );
  }

  /** Until the shard's owner has applied it, whoever that is by then. */
  async #pushPull(
    push: PushHeader,
    gradient: () => Record<string, OutgoingTensor>,
    ranges: readonly KeyRange[],
    into: PulledParameters | null,
    signal: AbortSignal,
  ): Promise<void> {
    const { requests, frames } = this.#options;
    const { shard } = push;
    const pull = into && { encoding: this.#options.plan.spec.encoding.parameters };
    const frameOf = (ownership: number, tensors: Record<string, OutgoingTensor>) =>
      encodeFrame({ type: 'pushPull', v: 1, ownership, push, pull } satisfies PushPullRequest, tensors, frames.take);
    let { ownership } = this.#placement(shard);
    // Once: error feedback has noted what this encoding took away.
    let frame = frameOf(ownership, gradient());
    await this.#ask(shard, ownerOf, signal, async (owner, _, options) => {
      if (owner.ownership !== ownership) {
        ({ ownership } = owner);
        frame = frameOf(ownership, decodeFrame(frame).tensors);
      }
      const { header, tensors } = await requests.send(subjects.pushPull(owner.instance), frame, {
        ...options,
        reply: pushPullReplySchema,
        check: isOf(this.#options.plan, shard, ranges),
        slices: true,
      });
      if (into) this.#take(header, tensors, into, ranges);
    });
    // What was answered has been sent.
    frames.giveBack(frame);
  }

  async #pullShard(shard: number, into: PulledParameters, encoding: ValueEncoding, signal: AbortSignal): Promise<void> {
    const { jobId } = this.#options.plan;
    await this.#ask(shard, ownersOf, signal, async ({ instance, ownership }, { ranges }, options) => {
      // Without a log a new owner may have gone back, and come by the same version with other values.
      const ifNotVersion = this.pushPulls ? -1 : (into.versions[shard] ?? -1);
      const { header, tensors } = await this.#options.requests.request(
        subjects.pull(instance),
        { type: 'pull', v: 1, jobId, shard, ownership, ifNotVersion, encoding },
        undefined,
        { ...options, reply: pullReplySchema, check: isOf(this.#options.plan, shard, ranges) },
      );
      this.#take(header, tensors, into, ranges);
    });
  }

  /** Asks those who may answer for a shard by the newest plan, until one has. */
  async #ask(
    shard: number,
    owners: (placement: ShardPlacement) => Owner[],
    signal: AbortSignal,
    ask: (
      owner: Owner,
      placement: ShardPlacement,
      options: { timeoutMs: number; signal: AbortSignal },
    ) => Promise<void>,
  ): Promise<void> {
    for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS)) {
      const placement = this.#placement(shard);
      const underWay = { placement, moved: new AbortController() };
      for (const owner of owners(placement)) {
        if (underWay.moved.signal.aborted) break;
        this.#underWay.add(underWay);
        try {
          const either = AbortSignal.any([signal, underWay.moved.signal]);
          return await ask(owner, placement, { timeoutMs: OWNER_SILENCE_MS, signal: either });
        } catch (error) {
          if (!(error instanceof DownpourError) || !PASSING.includes(error.code)) throw error;
        } finally {
          this.#underWay.delete(underWay);
        }
      }
      if (underWay.moved.signal.aborted) continue;
      await this.#changeOrPause(backoffMs, signal);
    }
  }

  /** Parameters of one shard go from the receive buffer straight to their places. */
  #take(
    { shard, version, unchanged }: Pick<PullReply, 'shard' | 'version' | 'unchanged'>,
    tensors: Record<string, Tensor>,
    into: PulledParameters,
    ranges: readonly KeyRange[],
  ): void {
    if (!unchanged) {
      const parameters = requireTensor(tensors, 'parameters');
      this.#memory.decode(parameters, tensors['scales'], into.vector, ranges);
      releaseReceived(parameters.data);
    }
    into.versions[shard] = version;
  }

  /** An owner that was killed never answers what had reached it: as soon as a plan names another, that one is asked. */
  async #watchOwners(): Promise<void> {
    const { plans, plan } = this.#options;
    const { signal } = this.#closed;
    try {
      for (;;) {
        await plans.next(plan.jobId, signal);
        // The newest: several may have come at once.
        const shards = plans.current(plan.jobId)?.shards ?? [];
        for (const { placement, moved } of this.#underWay) {
          const { shard, ownership, previous } = placement;
          const now = shards[shard];
          if (now?.ownership !== ownership || now.previous?.ownership !== previous?.ownership)
            moved.abort(new DownpourError('not-owner', `Shard ${shard} of job ${plan.jobId} has another owner now`));
        }
      }
    } catch {
      // It was closed.
    }
  }

  #plan(): JobPlan {
    const plan = this.#options.plans.current(this.#options.plan.jobId);
    if (plan === null)
      throw new DownpourError('not-found', `Job ${this.#options.plan.jobId} has ended: its plan is gone`);
    return plan;
  }

  #placement(shard: number): ShardPlacement {
    const placement = this.#plan().shards[shard];
    if (placement === undefined)
      throw new DownpourError('internal', `The plan of job ${this.#options.plan.jobId} has no shard ${shard}`);
    return placement;
  }

  /** Until the plan changes, or a while. */
  async #changeOrPause(pauseMs: number, signal: AbortSignal): Promise<void> {
    const settled = new AbortController();
    const either = AbortSignal.any([signal, settled.signal]);
    try {
      await Promise.race([this.#options.plans.next(this.#options.plan.jobId, either), pause(pauseMs, either)]);
    } finally {
      settled.abort(new Error('settled'));
    }
  }

  #with(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#closed.signal]);
  }
}

/** A reply about another shard would be written to its place; one of another length or encoding could not be read. */
const isOf =
  ({ jobId, spec }: Pick<JobPlan, 'jobId' | 'spec'>, shard: number, ranges: readonly KeyRange[]) =>
  ({ header, tensors }: TensorFrame<Pick<PullReply, 'jobId' | 'shard' | 'unchanged'>>): void => {
    if (header.jobId !== jobId || header.shard !== shard)
      throw new DownpourError('internal', `Shard ${shard} of job ${jobId} was asked, and another has answered`);
    if (header.unchanged) return;
    const { dtype, data } = requireTensor(tensors, 'parameters');
    const length = rangesLength(ranges);
    const scaleBytes = dtype === 'int8' ? 4 * Math.ceil(length / INT8_BLOCK) : undefined;
    const isExpected = dtype === 'float32' || dtype === spec.encoding.parameters;
    const isWhole = data.byteLength === length * BYTES_PER_ELEMENT[dtype];
    if (!isExpected || !isWhole || tensors['scales']?.data.byteLength !== scaleBytes)
      throw new DownpourError(
        'internal',
        `Shard ${shard} sent ${data.byteLength} bytes of ${dtype} for ${length} values`,
      );
  };

/** Runs all at once; the first failure ends the others, and it settles when all have: nobody touches a buffer afterwards. */
const together = async (signal: AbortSignal, works: ((signal: AbortSignal) => Promise<void>)[]): Promise<void> => {
  signal.throwIfAborted();
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let first: { error: unknown } | undefined;
  await Promise.all(
    works.map(async (work) => {
      try {
        await work(either);
      } catch (error) {
        first ??= { error };
        failed.abort(error);
      }
    }),
  );
  if (first !== undefined) throw first.error;
};
