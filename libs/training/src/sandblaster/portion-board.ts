/** A part of the batch that one worker computes the gradient of. */
export interface Portion {
  evaluation: number;
  portion: number;
  /** Version of the point that it is an evaluation of. */
  version: number;
  /** How often it has been given out in this evaluation, this time included. */
  delivery: number;
}

/** How it went, over all evaluations. */
export interface PortionCounts {
  handedOut: number;
  /** Of these: to a worker that has had the portion in an evaluation before, and has its examples. */
  known: number;
  /** Of these: copies of what somebody else was still working on. */
  backups: number;
  /** Finished after another copy. */
  wasted: number;
  /** Given back, or their worker has gone. */
  returned: number;
}

interface Outstanding {
  portion: number;
  /** When each of its copies went out, by worker. */
  holders: Map<string, number>;
}

/** Times of so many portions are looked at. */
const RECENT = 200;
/** A copy goes out once a portion is out for so many times the median. */
const LATE = 1.5;

/**
 * Who works on what (Dean et al. 2012, section 4.2): portions much smaller than 1/N of the batch go to whoever is free. First one whose examples that worker has,
 * as it had the portion before; then one that nobody has had; then one of the worker that has most left to do. When all are out, the one that is out for longest is
 * given out again, but not before it is later than most were: how long that is was learned from those that came back. The first answer wins.
 */
export class PortionBoard {
  readonly portions: number;
  readonly counts: PortionCounts = { handedOut: 0, known: 0, backups: 0, wasted: 0, returned: 0 };
  readonly #now: () => number;
  readonly #backups: boolean;
  #evaluation = -1;
  #version = 0;
  #open = new Set<number>();
  readonly #out = new Map<number, Outstanding>();
  #deliveries: number[] = [];
  /** By portion: the workers that have finished it, and have its examples. */
  readonly #had = new Map<number, Set<string>>();
  #recentMs: number[] = [];

  /** `backups` false: nothing is given out twice, unless its worker has gone. */
  constructor(portions: number, now: () => number, { backups = true }: { backups?: boolean } = {}) {
    this.portions = portions;
    this.#now = now;
    this.#backups = backups;
  }

  /** The next evaluation: whatever is still out of the one before is of no use any more. */
  begin(evaluation: number, version: number): void {
    this.#evaluation = evaluation;
    this.#version = version;
    this.#out.clear();
    this.#open = new Set(Array.from({ length: this.portions }, (_, portion) => portion));
    this.#deliveries = new Array<number>(this.portions).fill(0);
  }

  /** Nothing is given out until the next `begin`. */
  end(): void {
    this.#evaluation = -1;
    this.#open.clear();
    this.#out.clear();
  }

  get complete(): boolean {
    return this.#evaluation >= 0 && this.#open.size === 0 && this.#out.size === 0;
  }

  /** What the worker is to do next; null: nothing at present. */
  take(worker: string): Portion | null {
    const portion = this.#pick(worker) ?? this.#late(worker);
    if (portion === null) return null;
    this.#open.delete(portion);
    const out = this.#out.get(portion) ?? { portion, holders: new Map<string, number>() };
    if (out.holders.size > 0) this.counts.backups += 1;
    out.holders.set(worker, this.#now());
    this.#out.set(portion, out);
    this.counts.handedOut += 1;
    if (this.#had.get(portion)?.has(worker)) this.counts.known += 1;
    const delivery = (this.#deliveries[portion] = (this.#deliveries[portion] ?? 0) + 1);
    return { evaluation: this.#evaluation, portion, version: this.#version, delivery };
  }

  /** The worker's gradient of the portion is on the shards. */
  finish(worker: string, evaluation: number, portion: number): 'first' | 'late' {
    const out = evaluation === this.#evaluation ? this.#out.get(portion) : undefined;
    let had = this.#had.get(portion);
    if (had === undefined) this.#had.set(portion, (had = new Set()));
    had.add(worker);
    if (out === undefined && !(evaluation === this.#evaluation && this.#open.has(portion))) {
      this.counts.wasted += 1;
      return 'late';
    }
    const since = out?.holders.get(worker);
    if (since !== undefined) this.#recentMs = [...this.#recentMs, this.#now() - since].slice(-RECENT);
    this.#out.delete(portion);
    this.#open.delete(portion);
    return 'first';
  }

  /** The worker will not finish it. */
  giveBack(worker: string, evaluation: number, portion: number): void {
    if (evaluation === this.#evaluation) this.#return(worker, portion);
  }

  /** The worker has these in hand and no other: what it was told of others was lost on the way. */
  holds(worker: string, keys: readonly { epoch: number; chunk: number }[]): void {
    const held = new Set(keys.flatMap(({ epoch, chunk }) => (epoch === this.#evaluation ? [chunk] : [])));
    for (const portion of [...this.#out.keys()]) if (!held.has(portion)) this.#return(worker, portion);
  }

  /** It has gone: what it had in hand is open again, and its memory of examples is lost. */
  leave(worker: string): void {
    for (const portion of [...this.#out.keys()]) this.#return(worker, portion);
    for (const had of this.#had.values()) had.delete(worker);
  }

  /** Workers that have something in hand. */
  holders(): Set<string> {
    return new Set([...this.#out.values()].flatMap(({ holders }) => [...holders.keys()]));
  }

  /** What is out for longer is late; null while nothing is known. */
  get deadlineMs(): number | null {
    if (this.#recentMs.length === 0) return null;
    const sorted = [...this.#recentMs].sort((a, b) => a - b);
    return LATE * sorted[Math.floor(sorted.length / 2)]!;
  }

  #pick(worker: string): number | null {
    let unknown: number | null = null;
    const left = new Map<string, { count: number; portion: number }>();
    for (const portion of this.#open) {
      const had = this.#had.get(portion);
      if (had?.has(worker)) return portion;
      if (had === undefined || had.size === 0) unknown ??= portion;
      else
        for (const other of had) {
          const { count } = left.get(other) ?? { count: 0 };
          left.set(other, { count: count + 1, portion });
        }
    }
    if (unknown !== null) return unknown;
    const [most] = [...left.values()].sort((a, b) => b.count - a.count);
    return most?.portion ?? null;
  }

  #late(worker: string): number | null {
    const { deadlineMs } = this;
    if (deadlineMs === null || !this.#backups) return null;
    let oldest: { portion: number; since: number } | null = null;
    for (const { portion, holders } of this.#out.values()) {
      if (holders.has(worker)) continue;
      // The copy that went out last counts: it may be back soon.
      const since = Math.max(...holders.values());
      if (this.#now() - since < deadlineMs) continue;
      if (oldest === null || since < oldest.since) oldest = { portion, since };
    }
    return oldest?.portion ?? null;
  }

  #return(worker: string, portion: number): void {
    const out = this.#out.get(portion);
    if (out === undefined || !out.holders.delete(worker)) return;
    this.counts.returned += 1;
    if (out.holders.size > 0) return;
    this.#out.delete(portion);
    this.#open.add(portion);
  }
}
