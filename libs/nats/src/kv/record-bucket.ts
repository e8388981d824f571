import { DownpourError } from '@downpour/contracts';
import type { Revised } from '@downpour/jobs';
import { JetStreamApiError } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { KV } from '@nats-io/kv';
import type { z } from 'zod';
import type { NatsLink } from '../link/nats-link.ts';
import { refusalReason } from '../refusals/refusals.ts';
import { StreamReader } from '../streams/stream-reader.ts';
import { isWrongRevision, messageOf } from '../streams/jetstream-errors.ts';
import { decodeRecord, encodeRecord } from './record-codec.ts';

export interface RecordWatcher<T> {
  onRecord(key: string, record: Revised<T>): void;
  onRemoved?(key: string): void;
  /** Every record there is has been told; again after each interruption. */
  onReady?(): void;
  /** A record that does not match its schema is skipped. */
  onBad?(key: string, error: unknown): void;
}

const CONNECT_PATIENCE_MS = 5000;

/** Records of one schema in a KV bucket, one for each key, with optimistic concurrency. */
export class RecordBucket<T> {
  readonly #link: NatsLink;
  readonly #bucket: string;
  readonly #schema: z.ZodType<T>;
  #kv: Promise<KV> | undefined;

  constructor(link: NatsLink, bucket: string, schema: z.ZodType<T>) {
    this.#link = link;
    this.#bucket = bucket;
    this.#schema = schema;
  }

  /** @throws DownpourError unavailable; internal when what is stored does not match the schema */
  async get(key: string): Promise<Revised<T> | null> {
    const entry = await this.#call((kv) => kv.get(key));
    if (entry === null || entry.operation !== 'PUT') return null;
    return { value: this.#parse(key, entry.value), revision: entry.revision };
  }

  /** @throws DownpourError conflict when the key is there already */
  create(key: string, value: T): Promise<number> {
    return this.#write(key, value, (kv, bytes) => kv.create(key, bytes));
  }

  /** @throws DownpourError conflict when `revision` is not the newest */
  update(key: string, value: T, revision: number): Promise<number> {
    return this.#write(key, value, (kv, bytes) => kv.update(key, bytes, revision));
  }

  /** Writes whatever was there before. */
  put(key: string, value: T): Promise<number> {
    return this.#write(key, value, (kv, bytes) => kv.put(key, bytes));
  }

  async remove(key: string): Promise<void> {
    await this.#call((kv) => kv.delete(key));
  }

  /** Every record, in order of change. Records that do not match the schema are left out. */
  async list(): Promise<(Revised<T> & { key: string })[]> {
    const records = new Map<string, Revised<T> & { key: string }>();
    await this.#ready();
    let ready = (): void => undefined;
    const caughtUp = new Promise<void>((resolve) => (ready = resolve));
    const stop = await this.watch({
      onRecord: (key, record) => void records.set(key, { key, ...record }),
      onRemoved: (key) => void records.delete(key),
      onReady: ready,
    });
    await caughtUp;
    await stop();
    return [...records.values()];
  }

  /** Tells every record there is, then every change, across interruptions. Returns a function that ends it. */
  async watch(watcher: RecordWatcher<T>): Promise<() => Promise<void>> {
    const prefix = `$KV.${this.#bucket}.`;
    const known = new Map<string, number>();
    let unseen: Set<string> | null = null;
    const reader = await StreamReader.start(this.#link, {
      stream: `KV_${this.#bucket}`,
      filter: `${prefix}>`,
      start: 'lastPerSubject',
      onBegin: () => (unseen = new Set(known.keys())),
      onCaughtUp: () => {
        for (const key of unseen ?? []) if (known.delete(key)) watcher.onRemoved?.(key);
        unseen = null;
        watcher.onReady?.();
      },
      onMessage: ({ subject, data, headers, sequence }) => {
        const key = subject.slice(prefix.length);
        unseen?.delete(key);
        if (known.get(key) === sequence) return;
        if (headers?.has('KV-Operation') === true || headers?.has('Nats-Marker-Reason') === true) {
          if (known.delete(key)) watcher.onRemoved?.(key);
          return;
        }
        known.set(key, sequence);
        let value: T;
        try {
          value = this.#parse(key, data);
        } catch (error) {
          watcher.onBad?.(key, error);
          return;
        }
        watcher.onRecord(key, { value, revision: sequence });
      },
    });
    return () => reader.stop();
  }

  async #write(key: string, value: T, write: (kv: KV, bytes: Uint8Array) => Promise<number>): Promise<number> {
    const bytes = encodeRecord(value);
    if (bytes.byteLength > this.#link.maxSliceBytes)
      throw new DownpourError(
        'too-large',
        `${this.#bucket}/${key} takes ${bytes.byteLength} bytes; NATS's max_payload is ${this.#link.maxPayloadBytes}: raise it`,
      );
    try {
      return await this.#call((kv) => write(kv, bytes));
    } catch (error) {
      const cause = error instanceof DownpourError ? error.cause : error;
      if (isWrongRevision(cause))
        throw new DownpourError('conflict', `${this.#bucket}/${key} was changed by somebody else meanwhile`, { cause });
      throw error;
    }
  }

  async #call<R>(work: (kv: KV) => Promise<R>): Promise<R> {
    await this.#ready();
    try {
      this.#kv ??= new Kvm(this.#link.nc).open(this.#bucket, { allow_direct: false });
      return await work(await this.#kv);
    } catch (error) {
      if (error instanceof JetStreamApiError) throw error;
      this.#kv = undefined;
      throw new DownpourError('unavailable', `NATS did not answer for bucket ${this.#bucket}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  async #ready(): Promise<void> {
    if (this.#link.connected) return;
    await this.#link.whenConnected(AbortSignal.timeout(CONNECT_PATIENCE_MS)).catch((cause: unknown) => {
      throw new DownpourError('unavailable', 'There is no connection to NATS at present', { cause });
    });
  }

  #parse(key: string, bytes: Uint8Array): T {
    try {
      return this.#schema.parse(decodeRecord(bytes));
    } catch (cause) {
      this.#link.refusals.count(this.#bucket, refusalReason(cause));
      throw new DownpourError('internal', `${this.#bucket}/${key} cannot be read: was it written by another version?`, {
        cause,
      });
    }
  }
}
