import { objects } from '@downpour/contracts';
import type { SnapshotStore } from '@downpour/parameters';
import type { ObjectStore } from './object-store.ts';

/** Snapshots of one shard in the object store, named by the log position they stand for. */
export class NatsSnapshotStore implements SnapshotStore {
  readonly #objects: ObjectStore;
  readonly #jobId: string;
  readonly #shard: number;

  constructor(store: ObjectStore, jobId: string, shard: number) {
    this.#objects = store;
    this.#jobId = jobId;
    this.#shard = shard;
  }

  async save(position: number, bytes: Uint8Array): Promise<void> {
    await this.#objects.put(objects.snapshot(this.#jobId, this.#shard, position), bytes);
  }

  async list(): Promise<{ position: number; name: string }[]> {
    const prefix = objects.snapshot(this.#jobId, this.#shard, 0).slice(0, -1);
    return (await this.#objects.list(prefix))
      .map(({ name }) => ({ name, position: Number(name.slice(prefix.length)) }))
      .filter(({ position }) => Number.isSafeInteger(position))
      .sort((a, b) => b.position - a.position);
  }

  load(name: string): Promise<Uint8Array> {
    return this.#objects.get(name);
  }

  remove(name: string): Promise<void> {
    return this.#objects.remove(name);
  }
}
