import { invalidDataset } from './invalid-dataset.ts';

/** What reading one data set may cost. Checked while inflating and growing: what a header claims is not trusted. */
export interface DatasetLimits {
  /** Uncompressed bytes of all files together, and bytes of the examples in memory. */
  maxBytes: number;
  /** Entries of one zip file. */
  maxEntries: number;
}

export const DEFAULT_LIMITS: DatasetLimits = { maxBytes: 2 * 2 ** 30, maxEntries: 2_000_000 };

/** Bytes still allowed. */
export class ByteBudget {
  readonly maxBytes: number;
  #left: number;
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
    this.#left = maxBytes;
  }

  get left(): number {
    return this.#left;
  }

  /** @throws DownpourError invalid-dataset when nothing would be left. */
  spend(bytes: number, file: string): void {
    if (bytes > this.#left) throw this.exceeded(file);
    this.#left -= bytes;
  }

  exceeded(file: string): Error {
    return invalidDataset(
      file,
      `holds more than the ${this.maxBytes} bytes a data set may have when it is uncompressed (MAX_DATASET_BYTES of the data-sharder)`,
    );
  }
}
