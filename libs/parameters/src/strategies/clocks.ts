/** What a worker is at: how many pushes it has made of the job, and the chunk it works on. */
export interface WorkerClock {
  worker: string;
  pushes: number;
  epoch: number;
  chunk: number;
}

interface Entry extends Omit<WorkerClock, 'worker'> {
  /** Added to its own count: a worker that comes late begins where the slowest is. */
  base: number;
  /** It has a chunk in hand. One that has none holds nobody up. */
  active: boolean;
}

/**
 * Clocks of the workers of one shard, for stale synchronous parallel (Ho et al. 2013). A worker's clock is how many pushes it has made when it asks for parameters; it may
 * go on while it is at most `staleness` ahead of the slowest that has a chunk in hand. They are not part of the fold: a new owner begins with none, and lets workers go on from where
 * they are.
 */
export class Clocks {
  readonly #entries = new Map<string, Entry>();

  /** A worker asks for parameters, to compute its next push. */
  tick({ worker, pushes, epoch, chunk }: WorkerClock): void {
    const known = this.#entries.get(worker);
    // A chunk has one worker: whoever had it before has given it back.
    for (const [other, entry] of this.#entries)
      if (other !== worker && entry.epoch === epoch && entry.chunk === chunk) entry.active = false;
    // A count that has gone back is that of another process by the same name.
    const goesOn = known?.active === true && pushes >= known.pushes;
    const slowest = this.#slowest(worker);
    const base = goesOn ? known.base : Math.max(known?.base ?? 0, (slowest ?? 0) - pushes);
    this.#entries.set(worker, { pushes, epoch, chunk, base: slowest === null && !goesOn ? 0 : base, active: true });
  }

  /** The last push of a chunk has been taken in. */
  finished(worker: string, epoch: number, chunk: number): void {
    const entry = this.#entries.get(worker);
    if (entry?.epoch === epoch && entry.chunk === chunk) entry.active = false;
  }

  /** Only these are alive. */
  keep(workers: readonly string[]): void {
    for (const worker of this.#entries.keys()) if (!workers.includes(worker)) this.#entries.delete(worker);
  }

  /** Whether the worker is close enough to the slowest to go on. */
  mayGoOn(worker: string, staleness: number): boolean {
    const entry = this.#entries.get(worker);
    const slowest = this.#slowest(worker);
    return entry === undefined || slowest === null || clockOf(entry) - slowest <= staleness;
  }

  /** Of the others that have a chunk in hand. */
  #slowest(except: string): number | null {
    const clocks = [...this.#entries].flatMap(([worker, entry]) =>
      worker !== except && entry.active ? [clockOf(entry)] : [],
    );
    return clocks.length === 0 ? null : Math.min(...clocks);
  }
}

const clockOf = ({ base, pushes }: Entry): number => base + pushes;
