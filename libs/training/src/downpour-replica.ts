import {
  BARRIER_STRATEGIES,
  chunkBounds,
  controlOf,
  DownpourError,
  pushesInChunk,
  stepsInChunk,
  stepWindow,
} from '@downpour/contracts';
import { BadGradients } from './bad-gradients.ts';
import { allFinite } from './finite.ts';
import { GradientWindow } from './gradient-window.ts';
import { LocalParameters } from './local-parameters.ts';
import { localRate } from './local-rate.ts';
import type { Examples, ReplicaContext, TakenChunk } from './ports.ts';
import type { ChunkReport } from './progress-reporter.ts';
import { ProgressReporter } from './progress-reporter.ts';
import { stepSeed } from './step-seed.ts';
import type { Pace } from './strategies/pace.ts';
import { paceOf } from './strategies/pace.ts';
import { NONE_SETTLED, settledOnAll } from './strategies/confirmed-pushes.ts';

export interface ReplicaOptions {
  /**
   * Fetch the next step's parameters while this step computes: the paper's "loosely synchronised threads". Hides the round trip, and costs
   * one step of staleness of every replica: a step then never sees the push of the step before it. With two workers that is a staleness of
   * 4 instead of 2 (bench/src/staleness.ts shows what it does to each update rule). Worth it where a round trip is long beside a step.
   * @default false
   */
  fetchAhead?: boolean;
  /**
   * Pushes that may be on their way to the log at once, and those that may be in the log and not applied: steps wait when there are more. More hides a slow log, at a
   * vector of memory each, and at as many pushes of staleness where a shard is slow.
   * @default 4
   */
  outstandingPushes?: number;
  /**
   * Least time between two `worker` events of a job.
   * @default 250
   */
  eventIntervalMs?: number;
  /** Called with the duration of each step, fetch and push. */
  observe?: (what: 'step' | 'pull' | 'push', ms: number) => void;
}

export interface TrainChunkOptions {
  /** Aborted: stop after the step in hand, make what was pushed durable, give the chunk back. */
  stop?: AbortSignal;
  /** Whether another chunk of the same job is already in hand: only then are parameters fetched across the chunk's end. */
  more?: () => boolean;
}

/** What became of a chunk. Giving one back is an expected loss; what a step throws is thrown. */
export type ChunkOutcome =
  | {
      kind: 'trained';
      report: ChunkReport;
      /** The chunk's pushes are durable and the queue knows (`done`); or some came too late, or the job ended before (`given-back`). */
      settled: Promise<'done' | 'given-back'>;
    }
  | { kind: 'given-back'; why: 'cancelled' | 'stopping'; computeMs: number };

/**
 * One replica of Downpour SGD (Dean et al. 2012, section 4.1 and algorithm 7.1), a chunk at a time, so that a worker can serve many
 * jobs by turns:
 *
 *     for each step of the chunk:
 *       if step mod nFetch == 0: parameters <- fetch
 *       gradient <- compute(parameters, the chunk's next batch)
 *       accrued += gradient
 *       parameters -= alpha * gradient
 *       if the window of nPush steps is full, or the chunk ends: push(accrued); accrued <- 0
 *
 * Two decisions where the paper leaves a choice. It tests `step mod nPush == 0` after computing, which pushes a single gradient at step
 * 0 and full windows after it; here every window is full, and ends with its chunk, so that the pushes of a chunk are the same whoever
 * trains it: that is what lets shards count each exactly once. And `step` of nFetch counts on across chunks, while pushes count
 * within the chunk.
 *
 * Fetching, computing and pushing overlap. A chunk is acknowledged only when all its pushes are durable; the next one is trained meanwhile.
 */
export class DownpourReplica {
  readonly #context: ReplicaContext;
  readonly #options: Required<ReplicaOptions>;
  readonly #parameters: LocalParameters;
  readonly #window: GradientWindow;
  readonly #progress: ProgressReporter;
  readonly #badGradients: BadGradients;
  readonly #pace: Pace;
  /** Gradients are accumulated, all on the same parameters. */
  readonly #accumulates: boolean;
  /** The replica moves its own parameters between fetches. */
  readonly #stepsLocally: boolean;
  #chunk = { epoch: 0, chunk: 0 };

  constructor(context: ReplicaContext, options: ReplicaOptions = {}) {
    this.#context = context;
    const { plan } = context;
    const { strategy } = controlOf(plan);
    this.#options = {
      fetchAhead: (options.fetchAhead ?? false) && !BARRIER_STRATEGIES.includes(strategy.kind),
      outstandingPushes: options.outstandingPushes ?? 4,
      eventIntervalMs: options.eventIntervalMs ?? 250,
      observe: options.observe ?? (() => undefined),
    };
    const { observe } = this.#options;
    const { length } = plan.layout;
    const { nFetch } = stepWindow({ ...plan.spec, strategy });
    this.#accumulates = plan.spec.gradientAccumulation > 1;
    this.#stepsLocally = nFetch > 1 && !this.#accumulates;
    const allocate = () =>
      context.parameters.allocate?.() ?? context.replica.allocate?.(length) ?? new Float32Array(length);
    this.#pace = paceOf(strategy, this.#options.outstandingPushes, (options, signal) =>
      this.#parameters.ask(options, signal),
    );
    this.#parameters = new LocalParameters(context.parameters, {
      layout: plan.layout,
      shards: plan.shards.length,
      nFetch,
      ahead: this.#options.fetchAhead,
      pullOptions: () => this.#pace.pullOptions(this.#chunk),
      allocate,
      onFetched: (ms) => observe('pull', ms),
    });
    this.#window = new GradientWindow(context.parameters, {
      allocate,
      outstanding: this.#options.outstandingPushes,
      onDurable: (ms) => observe('push', ms),
      trainableLength: plan.layout.trainableLength,
      ...(this.#accumulates && { meanOf: plan.chunks.batchSize }),
      ...(plan.spec.gradientClip && { clip: plan.spec.gradientClip }),
    });
    this.#badGradients = new BadGradients(context);
    this.#progress = new ProgressReporter(context.instance, context.report, this.#options.eventIntervalMs);
  }

  /**
   * Trains one chunk. Throws what a step throws, after giving the chunk back: `diverged` gradients and examples that do not fit the plan
   * among them.
   */
  async trainChunk(chunk: TakenChunk, options: TrainChunkOptions = {}): Promise<ChunkOutcome> {
    const { signal } = this.#context;
    const going = options.stop ? AbortSignal.any([signal, options.stop]) : signal;
    const pushes: Promise<unknown>[] = [];
    const beganMs = performance.now();
    const totals = { loss: 0, correct: 0, accuracyKnown: true, examples: 0, counted: 0, steps: 0, computeMs: 0 };
    try {
      const examples = this.#checked(chunk, await unlessAborted(chunk.examples, going));
      const { epoch, chunk: index } = chunk.task;
      const { batchSize, nPush, seed } = this.#context.plan.chunks;
      const steps = stepsInChunk(this.#context.plan.chunks, index);
      this.#chunk = { epoch, chunk: index };
      const before = await this.#settledBefore(chunk, going);
      for (let step = 0; step < steps; step++) {
        going.throwIfAborted();
        const push = Math.floor(step / nPush);
        if (before.has(push)) {
          step = (push + 1) * nPush - 1;
          continue;
        }
        const room = await this.#window.room(going);
        const vector = await this.#parameters.next(going);
        if (this.#pace.settled().has(push)) {
          step = (push + 1) * nPush - 1;
          continue;
        }
        const last = step === steps - 1;
        if (this.#options.fetchAhead && (!last || options.more?.())) this.#parameters.fetchAhead(going);

        const begin = step * batchSize;
        const end = Math.min(begin + batchSize, examples.count);
        const stepBeganMs = performance.now();
        const result = await this.#context.replica.step(
          vector,
          examples,
          begin,
          end,
          stepSeed(seed, epoch, index, step),
          room,
        );
        const stepMs = performance.now() - stepBeganMs;
        signal.throwIfAborted();
        const finiteLoss = this.#badGradients.checkLoss(result.loss, { epoch, chunk: index });
        // Local steps between fetches would carry a bad gradient into the steps after it.
        const sound = finiteLoss && (!this.#stepsLocally || allFinite(this.#context.parameters, result.gradient));
        if (!sound) this.#window.poison();
        this.#options.observe('step', stepMs);
        totals.computeMs += stepMs;
        totals.steps += 1;
        totals.examples += end - begin;
        if (finiteLoss) {
          totals.counted += end - begin;
          totals.loss += result.loss * (end - begin);
          if (result.accuracy === null) totals.accuracyKnown = false;
          else totals.correct += result.accuracy * (end - begin);
        }

        this.#window.accrue(result.gradient, end - begin);
        const { versions } = this.#parameters;
        const pushing = (step + 1) % nPush === 0 || last;
        const key = { epoch, chunk: index, push, versions };
        const bad = pushing && this.#window.bad();
        if (bad) this.#badGradients.drop(key, vector);
        if (this.#accumulates) this.#parameters.stay(pushing);
        else if (bad || !sound) this.#parameters.forget();
        else
          this.#parameters.advance(result.gradient, this.#stepsLocally ? localRate(this.#context, versions, key) : 0);
        if (pushing) {
          const inOneRound =
            this.#context.parameters.pushPulls && !this.#options.fetchAhead && (!last || options.more?.());
          const pull = inOneRound ? this.#parameters.wanted() : null;
          const durable = this.#window.push(key, signal, { bad, pull });
          durable.catch(() => undefined); // Awaited with the others of the chunk.
          if (pull) this.#parameters.arriving(durable);
          this.#pace.pushed(durable);
          pushes.push(durable);
        }
      }
      // With no chunk of this job in hand nobody knows when the next step will be: it must not compute on what is here now.
      if (this.#pace.inStep || !options.more?.()) this.#parameters.forget();
      // Those in step wait for the last one here, so that who takes which chunk depends on nothing but the steps.
      const all = pushesInChunk(this.#context.plan.chunks, index);
      const counted = await this.#pace.confirm(this.#chunk, all, going);
      const report: ChunkReport = {
        epoch,
        chunk: index,
        examples: totals.examples,
        steps: totals.steps,
        pushes: pushes.length,
        loss: totals.loss / totals.counted,
        accuracy: totals.accuracyKnown ? totals.correct / totals.counted : null,
        computeMs: totals.computeMs,
      };
      return { kind: 'trained', report, settled: this.#settle(chunk, pushes, counted, report, beganMs) };
    } catch (error) {
      const why = signal.aborted ? 'cancelled' : 'stopping';
      const stopped = await this.#stopped(chunk, pushes, why, going.aborted, totals.computeMs);
      if (going.aborted) return stopped;
      throw error;
    }
  }

  /** Another job was worked on, or time has passed: the next step fetches. */
  forgetParameters(): void {
    this.#parameters.forget();
  }

  /** Sends the progress that has not been told yet. */
  close(): void {
    this.#progress.flush();
  }

  async #settle(chunk: TakenChunk, pushes: Promise<unknown>[], counted: boolean, report: ChunkReport, beganMs: number) {
    try {
      await Promise.all(pushes);
      if (counted) await chunk.done();
      else await chunk.giveBack({ untried: true });
    } catch (error) {
      await Promise.allSettled(pushes);
      await chunk.giveBack({ untried: this.#context.signal.aborted }).catch(() => undefined);
      if (this.#context.signal.aborted) return 'given-back';
      throw error;
    }
    // Of a chunk whose steps were all bad there is nothing to tell: their problems have been.
    if (Number.isFinite(report.loss)) this.#progress.add(report, beganMs);
    return counted ? 'done' : 'given-back';
  }

  /** Pushes of a chunk that somebody has trained before, in part, that every shard has settled: they need not be computed again. */
  async #settledBefore(chunk: TakenChunk, signal: AbortSignal): Promise<ReadonlySet<number>> {
    if (!chunk.again) return NONE_SETTLED;
    const settled: number[][] = [];
    await this.#parameters.ask({ chunk: this.#chunk, settled }, signal);
    return settledOnAll(settled);
  }

  /** Gives the chunk back once its pushes have settled: a push still on its way would race with whoever takes the chunk next. */
  async #stopped(
    chunk: TakenChunk,
    pushes: Promise<unknown>[],
    why: 'cancelled' | 'stopping',
    untried: boolean,
    computeMs: number,
  ) {
    this.#window.discard();
    this.#parameters.forget();
    await Promise.allSettled(pushes);
    await chunk.giveBack({ untried }).catch(() => undefined);
    return { kind: 'given-back', why, computeMs } as const;
  }

  /** Batches are cut by the plan; other examples than planned would be pushed under the wrong keys. */
  #checked(chunk: TakenChunk, examples: Examples): Examples {
    const { chunks } = this.#context.plan;
    const { begin, end } = chunkBounds(chunks, chunk.task.chunk);
    if (examples.count !== end - begin) {
      throw new DownpourError(
        'invalid-dataset',
        `Chunk ${chunk.task.chunk} of epoch ${chunk.task.epoch} should have ${end - begin} examples, but a data sharder sent ` +
          `${examples.count}: the data set has changed since the job began. Submit the job again.`,
      );
    }
    return examples;
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
