/** A half-open run of indices [begin, end). */
export type Run = [begin: number, end: number];

/**
 * A set of whole numbers that are added about in order: its size is that of its gaps, not of its members. Runs are sorted, and no two touch.
 */
export class RunSet {
  readonly #runs: Run[] = [];

  constructor(runs: readonly Run[] = []) {
    this.#runs = runs.map(([begin, end]) => [begin, end]);
  }

  /** First number that is not in it, if everything before is: the end of a run that begins at 0. */
  get solidBelow(): number {
    const first = this.#runs[0];
    return first?.[0] === 0 ? first[1] : 0;
  }

  get size(): number {
    return this.#runs.reduce((sum, [begin, end]) => sum + end - begin, 0);
  }

  has(index: number): boolean {
    const run = this.#runs[this.#after(index) - 1];
    return run !== undefined && index < run[1];
  }

  add(index: number): void {
    const at = this.#after(index);
    const before = this.#runs[at - 1];
    const next = this.#runs[at];
    if (before !== undefined && index < before[1]) return;
    const joinsBefore = before?.[1] === index;
    const joinsNext = next?.[0] === index + 1;
    if (joinsBefore && joinsNext) {
      before[1] = next[1];
      this.#runs.splice(at, 1);
    } else if (joinsBefore) before[1] += 1;
    else if (joinsNext) next[0] -= 1;
    else this.#runs.splice(at, 0, [index, index + 1]);
  }

  /** A copy. */
  runs(): Run[] {
    return this.#runs.map(([begin, end]) => [begin, end]);
  }

  /** Number of runs that begin at or before `index`. */
  #after(index: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#runs[middle]![0] <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Indices of one page: 256 bytes. Small beside a push, large enough that a page's own cost does not count. */
const PAGE_BITS = 2048;
export const PAGE_BYTES = PAGE_BITS / 8;

export interface IndexSetState {
  /** Pages of which every bit is set. */
  full: Run[];
  /** Pages of which some are. */
  open: { page: number; bits: Uint8Array }[];
}

/**
 * A set of indices below `length`: bits, in pages that are there only while they are neither empty nor full. Chunks are given out about in order, so what
 * it holds is the few pages that are being worked on, however long the epoch.
 */
export class IndexSet {
  readonly length: number;
  readonly #full: RunSet;
  readonly #open = new Map<number, { bits: Uint8Array; count: number }>();
  #size: number;

  /** @throws RangeError when the state is not one of this length. */
  constructor(length: number, state: IndexSetState = { full: [], open: [] }) {
    this.length = length;
    const pages = Math.ceil(length / PAGE_BITS);
    this.#full = new RunSet(state.full);
    this.#size = 0;
    for (const [begin, end] of state.full) {
      if (begin < 0 || end > pages) throw new RangeError(`There are ${pages} pages, none from ${begin} to ${end}`);
      this.#size += Math.min(end * PAGE_BITS, length) - begin * PAGE_BITS;
    }
    for (const { page, bits } of state.open) {
      if (!(page >= 0 && page < pages) || bits.byteLength !== PAGE_BYTES || this.#full.has(page))
        throw new RangeError(`Page ${page} of ${bits.byteLength} bytes is none of ${pages}`);
      const count = countBits(bits);
      this.#open.set(page, { bits: bits.slice(), count });
      this.#size += count;
    }
  }

  get size(): number {
    return this.#size;
  }

  has(index: number): boolean {
    const page = Math.floor(index / PAGE_BITS);
    if (this.#full.has(page)) return true;
    const bits = this.#open.get(page)?.bits;
    return bits !== undefined && (bits[(index % PAGE_BITS) >> 3]! & (1 << (index & 7))) !== 0;
  }

  /** An index that is not in it yet. */
  add(index: number): void {
    const number = Math.floor(index / PAGE_BITS);
    let page = this.#open.get(number);
    if (page === undefined) this.#open.set(number, (page = { bits: new Uint8Array(PAGE_BYTES), count: 0 }));
    page.bits[(index % PAGE_BITS) >> 3]! |= 1 << (index & 7);
    page.count += 1;
    this.#size += 1;
    if (page.count < Math.min(PAGE_BITS, this.length - number * PAGE_BITS)) return;
    this.#open.delete(number);
    this.#full.add(number);
  }

  /** A copy: later additions do not change it. */
  capture(): IndexSetState {
    const open = [...this.#open].sort(([a], [b]) => a - b).map(([page, { bits }]) => ({ page, bits: bits.slice() }));
    return { full: this.#full.runs(), open };
  }
}

const countBits = (bits: Uint8Array): number => {
  let count = 0;
  for (let byte of bits) for (; byte !== 0; byte &= byte - 1) count += 1;
  return count;
};
