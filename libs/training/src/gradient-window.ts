import { BufferPool } from './buffer-pool.ts';
import type { ParameterClient, PushRequest } from './ports.ts';

export type PushKey = Pick<PushRequest, 'epoch' | 'chunk' | 'push' | 'versions'>;

/**
 * Accrues the gradients of up to nPush steps and pushes their sum (paper, section 4.1). While one sum is being made durable the
 * next accrues in another buffer; when `outstanding` pushes are under way, accruing waits.
 */
export class GradientWindow {
  readonly #client: ParameterClient;
  readonly #pool: BufferPool;
  readonly #onDurable: (ms: number) => void;
  #sum: Float32Array | null = null;
  #examples = 0;

  constructor(client: ParameterClient, length: number, outstanding: number, onDurable: (ms: number) => void) {
    this.#client = client;
    this.#pool = new BufferPool(length, outstanding);
    this.#onDurable = onDurable;
  }

  /** Adds one step's mean gradient. `gradient` is read now and not kept. */
  async accrue(gradient: Float32Array, examples: number, signal: AbortSignal): Promise<void> {
    this.#examples += examples;
    if (!this.#sum) {
      this.#sum = await this.#pool.take(signal);
      this.#sum.set(gradient);
      return;
    }
    const sum = this.#sum;
    for (let i = 0; i < sum.length; i++) sum[i]! += gradient[i]!;
  }

  /** Hands the sum over and starts a new window. The promise settles when the push is durable, or has failed for good. */
  push(key: PushKey, signal: AbortSignal): Promise<void> {
    const gradient = this.#sum;
    if (!gradient) throw new Error('A push needs at least one accrued gradient');
    const request: PushRequest = { ...key, gradient, examples: this.#examples };
    this.#sum = null;
    this.#examples = 0;
    const began = performance.now();
    const durable = this.#client.push(request, signal).then(() => this.#onDurable(performance.now() - began));
    return durable.finally(() => this.#pool.giveBack(gradient));
  }

  /** Drops what has accrued: its chunk is given back, and whoever takes it computes the window again. */
  discard(): void {
    if (this.#sum) this.#pool.giveBack(this.#sum);
    this.#sum = null;
    this.#examples = 0;
  }
}
