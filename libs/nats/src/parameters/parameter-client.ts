import { DownpourError, pullReplySchema, pushPullReplySchema, subjects } from '@downpour/contracts';
import type { JobPlan, KeyRange, PullReply, PushHeader, PushPullRequest, ShardPlacement } from '@downpour/contracts';
import { rangesLength } from '@downpour/parameters';
import { decodeFrame, encodeFrame, requireTensor } from '@downpour/tensor';
import type { OutgoingTensor, Tensor, TensorFrame } from '@downpour/tensor';
import type { ParameterClient, PulledParameters, PullOptions, PushRequest } from '@downpour/training';
import type { PlanWatcher } from '../kv/plan-watcher.ts';
import { FlowWindow } from '../streams/flow-window.ts';
import type { PushPublisher } from '../streams/push-publisher.ts';
import type { RequestClient } from '../transport/request-client.ts';
import { ParameterMemory } from './parameter-memory.ts';
import { abortWith } from '../link/abort-with.ts';
import { pause } from '../link/pause.ts';
import { releaseReceived } from '../link/receive-slabs.ts';
import { ShardAsker } from './shard-asker.ts';

export interface ParameterClientOptions {
  requests: RequestClient;
  publisher: PushPublisher;
  plans: Pick<PlanWatcher, 'current' | 'next'>;
  plan: Pick<JobPlan, 'jobId' | 'spec' | 'layout' | 'shards'>;
  /** Named in pushes. */
  instance: string;
  /** Most pushes (each to all shards) not yet durable. @default 4 */
  window?: number;
}

/** A gradient being computed and one that it is added to, parameters being computed on and parameters being fetched. */
const VECTORS_BESIDE_PUSHES = 4;
/** While an iteration is being accepted, or shards go back to one, they are at different ones: a round trip, or as long as a new owner loads. */
const ALIKE_RETRY_MS = 20;
const ALIKE_PATIENCE_MS = 30_000;

/** Pulls from and pushes to the shards of one job, whoever owns them at the moment. */
export class NatsParameterClient implements ParameterClient {
  readonly #options: ParameterClientOptions;
  readonly #window: FlowWindow;
  readonly #memory: ParameterMemory;
  readonly #closed = new AbortController();
  /** What is aborted by a caller's signal, and when this is closed: a job's pushes all come with the same one. */
  readonly #either = new WeakMap<AbortSignal, AbortSignal>();
  readonly #asker: ShardAsker;

  constructor(options: ParameterClientOptions) {
    this.#options = options;
    const { window = 4, plan, plans } = options;
    this.#window = new FlowWindow(window);
    this.#memory = new ParameterMemory(plan, window + VECTORS_BESIDE_PUSHES);
    this.#asker = new ShardAsker(plans, plan.jobId, this.#closed.signal);
  }

  /**
   * One request to each shard, all at once; each part goes from the receive buffer straight to its place in `into.vector`.
   * Exact ones of a sandblaster job are of one iteration: shards that are not at the same one are asked again.
   * @throws DownpourError not-found when the job's plan is gone, unavailable when shards stay at different iterations; the signal's reason. Nothing is written to `into` any more then.
   */
  async pull(into: PulledParameters, signal: AbortSignal, options: PullOptions = {}): Promise<PulledParameters> {
    const oneIteration = this.#sandblaster && options.exact === true;
    const until = performance.now() + ALIKE_PATIENCE_MS;
    for (;;) {
      const shards = this.#shards;
      await together(
        this.#with(signal),
        shards.map(
          ({ shard }) =>
            (all) =>
              this.#pullShard(shard, into, options, all),
        ),
      );
      if (!oneIteration || new Set(shards.map(({ shard }) => into.versions[shard])).size <= 1) return into;
      if (performance.now() > until)
        throw new DownpourError(
          'unavailable',
          `The shards of job ${this.#options.plan.jobId} are at different iterations: versions ${into.versions.join(', ')}`,
        );
      await pause(ALIKE_RETRY_MS, this.#with(signal));
    }
  }

  get #sandblaster(): boolean {
    return this.#options.plan.spec.strategy.kind === 'sandblaster';
  }

  /** Of a partition's view those without ranges are other members'. */
  get #shards(): ShardPlacement[] {
    return this.#asker.plan().shards.filter(({ ranges }) => ranges.length > 0);
  }

  get pushPulls(): boolean {
    return this.#options.plan.spec.log.storage === 'none';
  }

  allocate(): Float32Array | null {
    return this.#memory.allocate();
  }

  finite(vector: Float32Array): boolean | undefined {
    return this.#memory.finite(vector);
  }

  addScaled(factor: number, x: Float32Array, y: Float32Array): boolean {
    return this.#memory.addScaled(factor, x, y);
  }

  sumOfSquares(x: Float32Array): number | undefined {
    return this.#memory.sumOfSquares(x);
  }

  scale(factor: number, x: Float32Array): boolean {
    return this.#memory.scale(factor, x);
  }

  clamp(limit: number, x: Float32Array): boolean {
    return this.#memory.clamp(limit, x);
  }

  async push(request: PushRequest, signal: AbortSignal): Promise<number[]> {
    const { instance, publisher, plan } = this.#options;
    const { jobId } = plan;
    const { gradient, versions, epoch, chunk, push, examples, pull, bad, loss } = request;
    const either = this.#with(signal);
    const leave = await this.#window.enter(1, either);
    const places: number[] = [];
    try {
      await together(
        either,
        this.#shards.map(({ shard, ranges }) => async (all) => {
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
            ...(loss !== undefined && { loss }),
          } as const;
          const tensors = () => (bad ? this.#memory.none() : this.#memory.encode(gradient, shard, ranges));
          if (this.pushPulls) return this.#pushPull(header, tensors, ranges, pull ?? null, all);
          const bytes = rangesLength(ranges) * Float32Array.BYTES_PER_ELEMENT;
          places[shard] = await publisher.publish(header, { bytes, tensors }, all);
        }),
      );
      return places;
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
    const { requests } = this.#options;
    const { frames } = requests;
    const { shard } = push;
    const pull = into && { encoding: this.#options.plan.spec.encoding.parameters };
    const frameOf = (ownership: number, tensors: Record<string, OutgoingTensor>) =>
      encodeFrame({ type: 'pushPull', v: 1, ownership, push, pull } satisfies PushPullRequest, tensors, frames.take);
    let { ownership } = this.#asker.placement(shard);
    // Once: error feedback has noted what this encoding took away.
    let frame = frameOf(ownership, gradient());
    await this.#asker.ask(shard, 'owner', signal, async (owner, options) => {
      if (owner.ownership !== ownership) {
        ({ ownership } = owner);
        frame = frameOf(ownership, decodeFrame(frame).tensors);
      }
      const { header, tensors } = await requests.send(subjects.pushPull(owner.instance), frame, {
        ...options,
        reply: pushPullReplySchema,
        check: this.#isOf(shard, ranges),
        slices: true,
      });
      if (into) this.#take(header, tensors, into, ranges);
    });
    // What was answered has been sent.
    frames.giveBack(frame);
  }

  async #pullShard(
    shard: number,
    into: PulledParameters,
    { exact, after, stepped, clock, chunk, settled }: PullOptions,
    signal: AbortSignal,
  ): Promise<void> {
    const { jobId, spec } = this.#options.plan;
    const { instance: worker } = this.#options;
    const encoding = exact ? 'float32' : spec.encoding.parameters;
    const sequence = after?.[shard] ?? 0;
    const waits = {
      ...(sequence > 0 && { after: { sequence, ...(stepped && { worker }) } }),
      ...(clock && { clock: { worker, ...clock } }),
    };
    await this.#asker.ask(shard, 'reader', signal, async ({ instance, ownership, ranges }, options) => {
      // Without a log a new owner may have gone back, and come by the same version with other values.
      // A point of Sandblaster has a version that no other has.
      const ifNotVersion = this.pushPulls && !this.#sandblaster ? -1 : (into.versions[shard] ?? -1);
      const accepted = this.#sandblaster && exact ? ({ accepted: true } as const) : {};
      const { header, tensors } = await this.#options.requests.request(
        subjects.pull(instance),
        {
          type: 'pull',
          v: 1,
          jobId,
          shard,
          ownership,
          ifNotVersion,
          encoding,
          ...accepted,
          ...waits,
          ...(chunk && { chunk }),
        },
        undefined,
        { ...options, reply: pullReplySchema, check: this.#isOf(shard, ranges) },
      );
      this.#take(header, tensors, into, ranges);
      if (settled) settled[shard] = header.settled ?? [];
    });
  }

  /** Parameters of one shard go from the receive buffer straight to their places. */
  #take(
    { shard, version, unchanged }: Pick<PullReply, 'shard' | 'version' | 'unchanged'>,
    tensors: Record<string, Tensor>,
    into: PulledParameters,
    ranges: readonly KeyRange[],
  ): void {
    if (!unchanged) {
      this.#memory.decode(tensors, into.vector, ranges);
      releaseReceived(requireTensor(tensors, 'parameters').data);
    }
    into.versions[shard] = version;
  }

  /** A reply about another shard would be written to its place. */
  #isOf(shard: number, ranges: readonly KeyRange[]) {
    const { jobId } = this.#options.plan;
    return ({ header, tensors }: TensorFrame<Pick<PullReply, 'jobId' | 'shard' | 'unchanged'>>): void => {
      if (header.jobId !== jobId || header.shard !== shard)
        throw new DownpourError('internal', `Shard ${shard} of job ${jobId} was asked, and another has answered`);
      if (!header.unchanged) this.#memory.check(tensors, ranges);
    };
  }

  #with(signal: AbortSignal): AbortSignal {
    let either = this.#either.get(signal);
    if (either === undefined) this.#either.set(signal, (either = AbortSignal.any([signal, this.#closed.signal])));
    return either;
  }
}

/** Runs all at once; the first failure ends the others, and it settles when all have: nobody touches a buffer afterwards. */
const together = async (signal: AbortSignal, works: ((signal: AbortSignal) => Promise<void>)[]): Promise<void> => {
  signal.throwIfAborted();
  const failed = new AbortController();
  const alone = abortWith(signal, failed);
  let first: { error: unknown } | undefined;
  await Promise.all(
    works.map(async (work) => {
      try {
        await work(failed.signal);
      } catch (error) {
        first ??= { error };
        failed.abort(error);
      }
    }),
  );
  alone();
  if (first !== undefined) throw first.error;
};
