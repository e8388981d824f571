import type { Report } from './ports.ts';

/** What one trained chunk adds to a worker's progress on a job. Means are over the chunk's examples. */
export interface ChunkReport {
  epoch: number;
  chunk: number;
  examples: number;
  steps: number;
  pushes: number;
  loss: number;
  accuracy: number | null;
  /** Time the replica spent in steps. */
  computeMs: number;
}

const RATE_WINDOW_MS = 5_000;

/**
 * Turns chunk reports into `worker` events: cumulative counters, means since the last event, and at most one event per interval, for
 * chunks of small models end every few milliseconds. The last report is never held back longer than the interval.
 */
export class ProgressReporter {
  readonly #instance: string;
  readonly #report: Report;
  readonly #intervalMs: number;
  readonly #now: () => number;
  #examples = 0;
  #steps = 0;
  #fresh: ChunkReport[] = [];
  #recent: { atMs: number; examples: number }[] = [];
  #lastEventMs = -Infinity;
  #timer: NodeJS.Timeout | null = null;

  constructor(instance: string, report: Report, intervalMs: number, now: () => number = () => performance.now()) {
    this.#instance = instance;
    this.#report = report;
    this.#intervalMs = intervalMs;
    this.#now = now;
  }

  /** `beganMs`, on the clock of `now`: when this chunk was begun, from which the rate counts if the worker was idle before. */
  add(chunk: ChunkReport, beganMs: number): void {
    const now = this.#now();
    this.#examples += chunk.examples;
    this.#steps += chunk.steps;
    this.#fresh.push(chunk);
    this.#recent = this.#recent.filter((entry) => entry.atMs >= now - RATE_WINDOW_MS);
    // The entry of 0 examples marks where the window begins.
    if (this.#recent.length === 0) this.#recent.push({ atMs: beganMs, examples: 0 });
    this.#recent.push({ atMs: now, examples: chunk.examples });
    const dueInMs = this.#lastEventMs + this.#intervalMs - now;
    if (dueInMs <= 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), dueInMs).unref();
  }

  /** Sends what has not been told yet. */
  flush(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const last = this.#fresh.at(-1);
    if (!last) return;
    const examples = this.#fresh.reduce((sum, chunk) => sum + chunk.examples, 0);
    const mean = (of: (chunk: ChunkReport) => number) =>
      this.#fresh.reduce((sum, chunk) => sum + of(chunk) * chunk.examples, 0) / examples;
    this.#report({
      type: 'worker',
      at: new Date().toISOString(),
      instance: this.#instance,
      examples: this.#examples,
      examplesPerSecond: this.#examplesPerSecond(),
      steps: this.#steps,
      loss: mean((chunk) => chunk.loss),
      accuracy: last.accuracy === null ? null : mean((chunk) => chunk.accuracy ?? 0),
      epoch: last.epoch,
      chunk: last.chunk,
    });
    this.#fresh = [];
    this.#lastEventMs = this.#now();
  }

  #examplesPerSecond(): number {
    const [first, ...rest] = this.#recent;
    const last = rest.at(-1);
    if (!first || !last || last.atMs <= first.atMs) return 0;
    return (rest.reduce((sum, entry) => sum + entry.examples, 0) * 1000) / (last.atMs - first.atMs);
  }
}
