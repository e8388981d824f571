import { buckets, DownpourError } from '@downpour/contracts';
import { Objm, setSha256Backend } from '@nats-io/obj';
import type { ObjectInfo, ObjectStore as Bucket } from '@nats-io/obj';
import { jetstreamManager, StorageType } from '@nats-io/jetstream';
import { Readable } from 'node:stream';
import type { NatsLink } from '../link/nats-link.ts';
import { readChunks } from './read-chunks.ts';
import { isStreamNotFound, messageOf } from '../streams/jetstream-errors.ts';

// The client library's own is JavaScript: 43 MB/s instead of 1.3 GB/s, and snapshots go through it.
setSha256Backend('native');

export interface StoredObject {
  name: string;
  bytes: number;
  /** SHA-256, base64url, as the store computed it while writing. */
  digest: string;
  modifiedAt: string;
}

/** Large enough that a chunk's round trip does not count, small enough for every max_payload. */
const CHUNK_BYTES = 512 * 1024;
const CONNECT_PATIENCE_MS = 10_000;

/** Named objects of any size in JetStream. What is read is checked against the digest that was computed when it was written. */
export class ObjectStore {
  readonly #link: NatsLink;
  #bucket: Promise<Bucket> | undefined;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  /** Writes an object, replacing one of that name. Nobody sees it half written. */
  put(name: string, bytes: Uint8Array): Promise<StoredObject> {
    // The client library copies a chunk once, into its outbound buffer.
    return this.putStream(name, chunksOf(bytes));
  }

  /** As `put`, from a stream: nothing is held in memory but the chunk under way. */
  async putStream(name: string, source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<StoredObject> {
    return this.#call(name, async (bucket) => {
      const stream = Readable.toWeb(Readable.from(source, { objectMode: true })) as ReadableStream<Uint8Array>;
      const info = await bucket.put({ name, options: { max_chunk_size: this.#chunkBytes } }, stream, {
        timeout: 10_000,
      });
      return storedObject(info);
    });
  }

  /** @throws DownpourError not-found; internal when the bytes do not match the digest */
  async get(name: string): Promise<Uint8Array> {
    const { bytes, stream } = await this.getStream(name);
    const whole = new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
    let at = 0;
    for await (const chunk of stream) {
      if (at + chunk.byteLength > bytes) throw corrupt(name);
      whole.set(chunk, at);
      at += chunk.byteLength;
    }
    if (at !== bytes) throw corrupt(name);
    return whole;
  }

  /** The object's size and its bytes, no faster than they are taken; the stream fails at its end when they do not match the digest. @throws DownpourError not-found */
  async getStream(name: string): Promise<{ bytes: number; stream: AsyncIterable<Uint8Array> }> {
    const info = await this.#call(name, (bucket) => bucket.info(name));
    if (info === null || info.deleted) throw new DownpourError('not-found', `There is no object ${name}`);
    return { bytes: info.size, stream: readChunks(this.#link, info) };
  }

  async exists(name: string): Promise<boolean> {
    const info = await this.#call(name, (bucket) => bucket.info(name));
    return info !== null && !info.deleted;
  }

  /** @throws DownpourError not-found; conflict when there is an object of the new name */
  async rename(from: string, to: string): Promise<void> {
    if (!(await this.exists(from))) throw new DownpourError('not-found', `There is no object ${from}`);
    if (await this.exists(to)) throw new DownpourError('conflict', `There is an object ${to} already`);
    await this.#call(from, (bucket) => bucket.update(from, { name: to }));
  }

  /** Removes an object; one that is not there is no error. */
  async remove(name: string): Promise<void> {
    await this.#call(name, async (bucket) => {
      await bucket.delete(name);
      // The store leaves a marker behind; snapshots come and go, so their markers would pile up.
      const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false });
      await jsm.streams.purge(`OBJ_${buckets.objects}`, { filter: metaSubject(name) });
    });
  }

  async removeAll(prefix: string): Promise<void> {
    for (const { name } of await this.list(prefix)) await this.remove(name);
  }

  /**
   * Removes what writers left that were killed: chunks that no object names, whose last is older than that. Younger ones may be of an
   * object that is being written. Answers how many objects it would have been.
   */
  removeOrphans(olderThanMs: number): Promise<number> {
    return this.#call('', async (bucket) => {
      const stream = `OBJ_${buckets.objects}`;
      const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false });
      const chunks = `$O.${buckets.objects}.C.`;
      // First the chunks, then who names them: an object that becomes whole meanwhile is named by then.
      const { state } = await jsm.streams.info(stream, { subjects_filter: `${chunks}>` });
      const named = new Set((await this.#infos(bucket)).map(({ nuid }) => nuid));
      let removed = 0;
      for (const subject of Object.keys(state.subjects ?? {})) {
        if (named.has(subject.slice(chunks.length))) continue;
        const last = await jsm.streams.getMessage(stream, { last_by_subj: subject });
        if (last === null || Date.now() - last.time.getTime() < olderThanMs) continue;
        await jsm.streams.purge(stream, { filter: subject });
        removed += 1;
      }
      return removed;
    });
  }

  /**
   * What there is, by what the stream says of its subjects. The client's own `list` counts messages that a removal takes away meanwhile, and then
   * waits half a minute for them.
   */
  list(prefix = ''): Promise<StoredObject[]> {
    return this.#call(prefix, async (bucket) => (await this.#infos(bucket, prefix)).map((info) => storedObject(info)));
  }

  async #infos(bucket: Bucket, prefix = ''): Promise<ObjectInfo[]> {
    const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false });
    const filter = `${metaSubject('')}>`;
    const { state } = await jsm.streams.info(`OBJ_${buckets.objects}`, { subjects_filter: filter });
    const names = Object.keys(state.subjects ?? {}).map(nameOfSubject);
    const infos = await Promise.all(names.filter((name) => name.startsWith(prefix)).map((name) => bucket.info(name)));
    return infos.filter((info): info is ObjectInfo => info !== null && !info.deleted);
  }

  get #chunkBytes(): number {
    return Math.min(CHUNK_BYTES, this.#link.maxSliceBytes);
  }

  /** Answers to what was asked before the connection was lost never come: no need to wait until that times out. */
  async #whileConnected<R>(work: Promise<R>): Promise<R> {
    let off = (): void => undefined;
    const lost = new Promise<never>((_resolve, reject) => {
      off = this.#link.onStatus(() => reject(new Error('the connection to NATS was lost')));
    });
    return Promise.race([work, lost]).finally(() => off());
  }

  /** A bucket that somebody has deleted is made again: what was in it is gone, and shards can store what they hold. */
  async #open(): Promise<Bucket> {
    const objm = new Objm(this.#link.nc);
    try {
      return await objm.open(buckets.objects);
    } catch (error) {
      if (!isStreamNotFound(error) && !messageOf(error).includes('object store not found')) throw error;
      return objm.create(buckets.objects, { storage: StorageType.File, replicas: this.#link.clustered ? 3 : 1 });
    }
  }

  async #call<R>(name: string, work: (bucket: Bucket) => Promise<R>): Promise<R> {
    try {
      await this.#link.whenConnected(AbortSignal.timeout(CONNECT_PATIENCE_MS));
      this.#bucket ??= this.#open();
      return await this.#whileConnected(work(await this.#bucket));
    } catch (cause) {
      if (cause instanceof DownpourError) throw cause;
      this.#bucket = undefined;
      throw new DownpourError('unavailable', `The object store failed at ${name}: ${messageOf(cause)}`, { cause });
    }
  }
}

const storedObject = ({ name, size, digest, mtime }: ObjectInfo): StoredObject => ({
  name,
  bytes: size,
  digest: digest.replace('SHA-256=', ''),
  modifiedAt: mtime,
});

/** Subject of an object's description: @nats-io/obj, objectstore.ts, _metaSubject. */
const metaSubject = (name: string): string =>
  `$O.${buckets.objects}.M.${Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`;

const nameOfSubject = (subject: string): string =>
  Buffer.from(subject.slice(metaSubject('').length), 'base64url').toString('utf8');

function* chunksOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let begin = 0; begin < bytes.byteLength; begin += CHUNK_BYTES)
    yield bytes.subarray(begin, Math.min(begin + CHUNK_BYTES, bytes.byteLength));
}

const corrupt = (name: string, cause?: unknown): DownpourError =>
  new DownpourError('internal', `Object ${name} is corrupt: its bytes do not match its digest`, { cause });
