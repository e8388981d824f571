import type { ParameterLayout } from '@downpour/contracts';
import { addScaled } from './add-scaled.ts';
import type { ParameterClient, PulledParameters, PullOptions } from './ports.ts';

export interface LocalParametersOptions {
  layout: ParameterLayout;
  shards: number;
  nFetch: number;
  /** Whether a fetch may overlap with a step: it needs a vector of its own then. */
  ahead: boolean;
  allocate: () => Float32Array;
  /** What a fetch asks for beside the parameters. */
  pullOptions?: () => PullOptions | Promise<PullOptions>;
  onFetched?: (ms: number) => void;
}

/**
 * A replica's own copy of the parameters and the paper's schedule for renewing it (section 4.1): fetched when
 * `step mod nFetch == 0`, moved by local steps in between. Where fetches overlap with steps there are two buffers: one that a step computes on, one
 * that a fetch fills.
 */
export class LocalParameters {
  readonly #client: ParameterClient;
  readonly #options: LocalParametersOptions;
  #front: PulledParameters;
  #back: PulledParameters;
  #ahead: Promise<void> | null = null;
  #abandoned: Promise<void> | null = null;
  #step = 0;
  #fetchedVersions: number[];

  constructor(client: ParameterClient, options: LocalParametersOptions) {
    this.#client = client;
    this.#options = options;
    const empty = () => ({
      vector: options.allocate(),
      versions: new Array<number>(options.shards).fill(-1),
    });
    this.#front = empty();
    this.#back = options.ahead ? empty() : this.#front;
    this.#fetchedVersions = this.#front.versions;
  }

  /** Each shard's version at the last fetch: what a gradient says it was computed on. */
  get versions(): number[] {
    return this.#fetchedVersions;
  }

  /** The vector that the next step computes on, fetched if one is due. */
  async next(signal: AbortSignal): Promise<Float32Array> {
    if (this.#step % this.#options.nFetch === 0) {
      const ahead = this.#ahead;
      this.#ahead = null;
      // A push that failed is told by its own chunk, which may be the one before: this one only lacks its parameters.
      await (ahead === null ? this.#fetch(signal) : ahead.catch(() => this.#fetch(signal)));
      [this.#front, this.#back] = [this.#back, this.#front];
      this.#fetchedVersions = [...this.#front.versions];
    }
    return this.#front.vector;
  }

  /** Starts the fetch of the step after this one, if one is due: it overlaps with this step's computing. */
  fetchAhead(signal: AbortSignal): void {
    if ((this.#step + 1) % this.#options.nFetch !== 0 || this.#ahead) return;
    this.#ahead = this.#fetch(signal);
    // Whoever awaits `next` sees the error; without one the rejection must not end the process.
    this.#ahead.catch(() => undefined);
  }

  /** Where the parameters of the next step are wanted, if it fetches: for whoever gets them by another way than a fetch. `arriving` must follow. */
  wanted(): PulledParameters | null {
    const due = this.#step % this.#options.nFetch === 0 && this.#ahead === null && this.#abandoned === null;
    return due ? this.#back : null;
  }

  /** They are on their way to where they are wanted. */
  arriving(arrival: Promise<unknown>): void {
    const began = performance.now();
    this.#ahead = arrival.then(() => this.#options.onFetched?.(performance.now() - began));
    this.#ahead.catch(() => undefined);
  }

  /** A step's gradient is known: take the local step (alpha: `learningRate`), unless the next step fetches anyway. State parts carry deltas. */
  advance(gradient: Float32Array, learningRate: number): void {
    this.#step += 1;
    if (this.#step % this.#options.nFetch === 0) return;
    const { layout } = this.#options;
    const { vector, versions } = this.#front;
    const { trainableLength: state, length } = layout;
    addScaled(this.#client, -learningRate, gradient.subarray(0, state), vector.subarray(0, state));
    if (state < length) addScaled(this.#client, 1, gradient.subarray(state), vector.subarray(state));
    // No longer what any shard has: the next fetch into this buffer must bring every shard's values.
    versions.fill(-1);
  }

  /** Instead of `advance`, where gradients are accumulated: the next step computes on the same parameters, or fetches as the window has ended. */
  stay(ended: boolean): void {
    this.#step = ended ? 0 : this.#step + 1;
  }

  /** Asks shards something between two fetches. The next step fetches: the answer may have overwritten what it would compute on. */
  ask(options: PullOptions, signal: AbortSignal): Promise<void> {
    this.forget();
    return this.#fetch(signal, options);
  }

  /** The next step fetches, whatever the schedule: time has passed, or another job was worked on. */
  forget(): void {
    this.#step = 0;
    if (this.#ahead) this.#abandoned = this.#ahead;
    this.#ahead = null;
  }

  async #fetch(signal: AbortSignal, asked?: PullOptions): Promise<void> {
    // A fetch that was given up may still be writing into the back buffer.
    if (this.#abandoned) {
      await this.#abandoned.catch(() => undefined);
      this.#abandoned = null;
    }
    const began = performance.now();
    this.#back = await this.#client.pull(this.#back, signal, asked ?? (await this.#options.pullOptions?.()));
    this.#options.onFetched?.(performance.now() - began);
  }
}
