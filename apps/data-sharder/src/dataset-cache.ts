import { datasetBytes } from '@downpour/datasets';
import type { LoadedDataset } from '@downpour/datasets';

export interface CacheObserver {
  hit(): void;
  miss(): void;
  loaded(ms: number): void;
  bytes(held: number): void;
}

/**
 * Data sets in memory, the one used longest ago dropped first when they pass the bound (the newest always stays, or a data set
 * larger than the bound could never be used). However many ask at once, each is loaded once; a load that fails is forgotten.
 */
export class DatasetCache {
  readonly #maxBytes: number;
  readonly #observer: CacheObserver;
  /** In order of use, oldest first. */
  readonly #loaded = new Map<string, LoadedDataset>();
  readonly #loading = new Map<string, Promise<LoadedDataset>>();

  constructor(maxBytes: number, observer: CacheObserver) {
    this.#maxBytes = maxBytes;
    this.#observer = observer;
  }

  get(key: string, load: () => Promise<LoadedDataset>): Promise<LoadedDataset> {
    const held = this.#loaded.get(key);
    if (held !== undefined) {
      this.#observer.hit();
      this.#loaded.delete(key);
      this.#loaded.set(key, held);
      return Promise.resolve(held);
    }
    const under = this.#loading.get(key);
    if (under !== undefined) return under;
    this.#observer.miss();
    const begun = performance.now();
    const loading = load()
      .then((dataset) => {
        this.#observer.loaded(performance.now() - begun);
        this.#loaded.set(key, dataset);
        this.#evict();
        return dataset;
      })
      .finally(() => this.#loading.delete(key));
    this.#loading.set(key, loading);
    return loading;
  }

  #evict(): void {
    let held = [...this.#loaded.values()].reduce((sum, dataset) => sum + datasetBytes(dataset), 0);
    for (const [key, dataset] of this.#loaded) {
      if (held <= this.#maxBytes || this.#loaded.size === 1) break;
      this.#loaded.delete(key);
      held -= datasetBytes(dataset);
    }
    this.#observer.bytes(held);
  }
}
