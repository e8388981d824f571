import { objects } from '@downpour/contracts';
import type { SnapshotStore } from '@downpour/parameters';
import type { ObjectStore } from './object-store.ts';

/** Snapshots of one shard in the object store, named by their position in the push log. */
export class NatsSnapshotStore implements SnapshotStore {
  readonly #store: ObjectStore;
  readonly #nameOf: (position: number) => string;
  readonly #prefix: string;

  constructor(store: ObjectStore, jobId: string, shard: number) {
    this.#store = store;
    this.#nameOf = (position) => objects.snapshot(jobId, shard, position);
    this.#prefix = this.#nameOf(0).slice(0, -1);
  }

  async save(position: number, bytes: Uint8Array): Promise<void> {
    await this.#store.put(this.#nameOf(position), bytes);
  }

  async list(): Promise<{ position: number; name: string }[]> {
    return (await this.#store.list(this.#prefix))
      .map(({ name }) => ({ position: Number(name.slice(this.#prefix.length)), name }))
      .filter(({ position }) => Number.isSafeInteger(position))
      .sort((a, b) => b.position - a.position);
  }

  load(name: string): Promise<Uint8Array> {
    return this.#store.get(name);
  }

  remove(name: string): Promise<void> {
    return this.#store.remove(name);
  }
}
