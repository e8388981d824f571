import type { BlobSource } from '@downpour/datasets';
import type { ObjectStore } from './object-store.ts';

/** Data set files, read from the object store. */
export class NatsBlobSource implements BlobSource {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  read(name: string): Promise<Uint8Array> {
    return this.#store.get(name);
  }
}
