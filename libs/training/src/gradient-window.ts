import type { GradientClip } from '@downpour/contracts';
import { addScaled } from './add-scaled.ts';
import { BufferPool } from './buffer-pool.ts';
import { clipGradient, scaleVector } from './clip-gradient.ts';
import { allFinite } from './finite.ts';
import type { ParameterClient, PulledParameters, PushRequest } from './ports.ts';

export interface WindowOptions {
  allocate: () => Float32Array;
  /** Pushes that may be on their way. */
  outstanding: number;
  onDurable: (ms: number) => void;
  /** Of the values of a gradient the first so many; the others are deltas of state. */
  trainableLength: number;
  clip?: GradientClip;
  /** Examples of a full batch: push the mean over the examples of all steps instead of the sum of the steps' means. */
  meanOf?: number;
}

export type PushKey = Pick<PushRequest, 'epoch' | 'chunk' | 'push' | 'versions'>;

/**
 * Accrues the gradients of up to nPush steps and pushes their sum (paper, section 4.1), or the mean over their examples: the gradient of one batch of them all.
 * What is clipped is what the job means by a gradient: that of each step where they are added up, the mean where it is one. While one sum is being made durable the
 * next accrues in another buffer; when `outstanding` pushes are under way, accruing waits.
 */
export class GradientWindow {
  readonly #client: ParameterClient;
  readonly #pool: BufferPool;
  readonly #options: WindowOptions;
  #sum: Float32Array | null = null;
  /** Where the gradients of later steps of a window are written before they are added. */
  #addend: Float32Array | null = null;
  /** The sum's buffer has been taken, and nothing is in it yet. */
  #empty = true;
  #examples = 0;
  #poisoned = false;
  #finished = false;

  constructor(client: ParameterClient, options: WindowOptions) {
    this.#client = client;
    this.#options = options;
    // One more: it accrues while as many as may be are outstanding.
    this.#pool = new BufferPool(options.allocate, options.outstanding + 1);
  }

  /** Where the next step may put its gradient, so that accruing it is little work: for the first step of a window the sum itself. */
  async room(signal: AbortSignal): Promise<Float32Array> {
    if (this.#sum) return this.#empty ? this.#sum : (this.#addend ??= this.#options.allocate());
    this.#sum = await this.#pool.take(signal);
    this.#empty = true;
    return this.#sum;
  }

  /** Adds one step's mean gradient, after `room`. `gradient` may be changed (clipped), and is not kept. */
  accrue(gradient: Float32Array, examples: number): void {
    const sum = this.#sum;
    if (!sum) throw new Error('Ask for room before a gradient is accrued');
    this.#examples += examples;
    const { meanOf } = this.#options;
    if (meanOf === undefined) this.#clip(gradient);
    const weight = meanOf === undefined ? 1 : examples / meanOf;
    if (!this.#empty) addScaled(this.#client, weight, gradient, sum);
    else {
      if (gradient !== sum) sum.set(gradient);
      if (weight !== 1) scaleVector(this.#client, weight, sum);
    }
    this.#empty = false;
  }

  /** A step of the window had a loss that is not finite: whatever its gradient looks like, the window is bad. */
  poison(): void {
    this.#poisoned = true;
  }

  /** Ends the window, and says whether what has accrued must not be applied: it is read once, by a kernel where the client has one. */
  bad(): boolean {
    this.#finish();
    return this.#poisoned || (this.#sum !== null && !allFinite(this.#client, this.#sum));
  }

  /**
   * Hands the sum over and starts a new window. The promise settles when the push is durable (and `pull` filled), with its places in the logs, or has failed for good. `bad`: the
   * shards are told that there is none.
   */
  push(
    key: PushKey,
    signal: AbortSignal,
    { bad = false, pull }: { bad?: boolean; pull?: PulledParameters | null } = {},
  ): Promise<number[]> {
    const gradient = this.#sum;
    if (!gradient || this.#empty) throw new Error('A push needs at least one accrued gradient');
    this.#finish();
    const request: PushRequest = {
      ...key,
      gradient,
      examples: this.#examples,
      ...(bad && { bad }),
      ...(pull && { pull }),
    };
    this.#clear();
    const began = performance.now();
    const durable = this.#client.push(request, signal).then((places) => {
      this.#options.onDurable(performance.now() - began);
      return places;
    });
    return durable.finally(() => this.#pool.giveBack(gradient));
  }

  /** Makes a mean of the sum, once. */
  #finish(): void {
    const { meanOf } = this.#options;
    if (this.#finished || meanOf === undefined || !this.#sum) return;
    this.#finished = true;
    const factor = meanOf / this.#examples;
    if (factor !== 1) scaleVector(this.#client, factor, this.#sum);
    this.#clip(this.#sum);
  }

  #clip(gradient: Float32Array): void {
    const { clip, trainableLength } = this.#options;
    if (clip && !clipGradient(this.#client, clip, gradient.subarray(0, trainableLength))) this.poison();
  }

  /** Drops what has accrued: its chunk is given back, and whoever takes it computes the window again. */
  discard(): void {
    if (this.#sum) this.#pool.giveBack(this.#sum);
    this.#clear();
  }

  #clear(): void {
    this.#sum = null;
    this.#examples = 0;
    this.#poisoned = false;
    this.#finished = false;
  }
}
