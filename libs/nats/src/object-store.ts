import { DownpourError } from '@downpour/contracts';
import type { ObjectStore as Store } from '@nats-io/obj';

/** Of one message; well below any server's max_payload. */
const CHUNK_BYTES = 128 * 1024;

/** Bytes by name, kept in JetStream. Names are paths: `jobs/<id>/model.json`. */
export class ObjectStore {
  readonly #store: Store;
  constructor(store: Store) {
    this.#store = store;
  }

  /** Replaces what is there. */
  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.#store.putBlob({ name, options: { max_chunk_size: CHUNK_BYTES } }, bytes);
  }

  /** Stores a stream of unknown length; when the stream fails, nothing is kept. Resolves to its size in bytes. */
  async putStream(name: string, bytes: ReadableStream<Uint8Array>): Promise<number> {
    const info = await this.#store.put({ name, options: { max_chunk_size: CHUNK_BYTES } }, bytes, { timeout: 10_000 });
    return info.size;
  }

  /** @throws DownpourError not-found */
  async get(name: string): Promise<Uint8Array> {
    const bytes = await this.#store.getBlob(name);
    if (bytes === null) throw notFound(name);
    return bytes;
  }

  /**
   * The object as a stream; `error` resolves when it has ended, to what broke it (a digest that does not match) or null.
   * @throws DownpourError not-found
   */
  async getStream(
    name: string,
  ): Promise<{ data: ReadableStream<Uint8Array>; bytes: number; error: Promise<Error | null> }> {
    const result = await this.#store.get(name);
    if (result === null) throw notFound(name);
    return { data: result.data, bytes: result.info.size, error: result.error };
  }

  /** Its size in bytes, or null when there is no such object. */
  async size(name: string): Promise<number | null> {
    const info = await this.#store.info(name);
    return info === null || info.deleted ? null : info.size;
  }

  async exists(name: string): Promise<boolean> {
    return (await this.size(name)) !== null;
  }

  /** Gives the object another name; the one that had it is replaced. */
  async rename(name: string, to: string): Promise<void> {
    if (await this.exists(to)) await this.#store.delete(to);
    await this.#store.update(name, { name: to });
  }

  /** Nothing happens when it is not there. */
  async remove(name: string): Promise<void> {
    if (await this.exists(name)) await this.#store.delete(name);
  }

  async list(prefix = ''): Promise<{ name: string; bytes: number }[]> {
    return (await this.#store.list())
      .filter((info) => !info.deleted && info.name.startsWith(prefix))
      .map((info) => ({ name: info.name, bytes: info.size }));
  }

  async removeAll(prefix: string): Promise<void> {
    for (const { name } of await this.list(prefix)) await this.remove(name);
  }

  /** BlobSource of libs/datasets. */
  read(name: string): Promise<Uint8Array> {
    return this.get(name);
  }
}

const notFound = (name: string) => new DownpourError('not-found', `there is no object ${name} in the store`);
