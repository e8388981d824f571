import type { Examples } from '@downpour/training';

/** Examples that a worker keeps of one sandblaster job: what does not fit is asked for again in each evaluation. */
const MOST_BYTES = 512 * 2 ** 20;

/** Examples of portions, for the next evaluation: a worker is given those first that it has had. The oldest go when there are too many. */
export class PortionCache {
  readonly #examples = new Map<number, { bytes: number; examples: Promise<Examples> }>();
  readonly #mostBytes: number;
  #bytes = 0;

  constructor(mostBytes = MOST_BYTES) {
    this.#mostBytes = mostBytes;
  }

  get(portion: number, fetch: () => Promise<Examples>): Promise<Examples> {
    const known = this.#examples.get(portion);
    if (known !== undefined) return known.examples;
    const entry = { bytes: 0, examples: fetch() };
    this.#examples.set(portion, entry);
    entry.examples.then(
      ({ features, labels }) => {
        if (this.#examples.get(portion) !== entry) return;
        entry.bytes = features.byteLength + labels.byteLength;
        this.#bytes += entry.bytes;
        for (const oldest of this.#examples.keys()) {
          if (this.#bytes <= this.#mostBytes) break;
          this.#forget(oldest);
        }
      },
      () => this.#forget(portion),
    );
    return entry.examples;
  }

  get bytes(): number {
    return this.#bytes;
  }

  #forget(portion: number): void {
    this.#bytes -= this.#examples.get(portion)?.bytes ?? 0;
    this.#examples.delete(portion);
  }
}
