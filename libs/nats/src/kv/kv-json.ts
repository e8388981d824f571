import { DownpourError } from '@downpour/contracts';
import type { Revised } from '@downpour/jobs';
import type { KV, KvEntry } from '@nats-io/kv';
import type { z } from 'zod';
import { pause } from '../connection.ts';

const RETRY_MS = 500;
/** nats-server's code for "wrong last sequence". */
const WRONG_LAST_SEQUENCE = 10071;

/** Records of one kind in a KV bucket, as JSON, checked on the way in and out. */
export class KvJson<T> {
  readonly #kv: KV;
  readonly #schema: z.ZodType<T>;

  constructor(kv: KV, schema: z.ZodType<T>) {
    this.#kv = kv;
    this.#schema = schema;
  }

  async get(key: string): Promise<Revised<T> | null> {
    const entry = await this.#kv.get(key);
    return entry ? this.#read(entry) : null;
  }

  async list(): Promise<T[]> {
    const keys = await this.keys();
    const found = await Promise.all(keys.map((key) => this.get(key)));
    return found.flatMap((record) => (record ? [record.value] : []));
  }

  async keys(): Promise<string[]> {
    const keys: string[] = [];
    for await (const key of await this.#kv.keys()) keys.push(key);
    return keys;
  }

  /** Writes whatever is there. */
  put(key: string, value: T): Promise<number> {
    return this.#kv.put(key, encode(value));
  }

  /** @throws DownpourError conflict when the key is taken */
  create(key: string, value: T): Promise<number> {
    return guarded(key, () => this.#kv.create(key, encode(value)));
  }

  /** @throws DownpourError conflict when somebody else has written since `revision` */
  update(key: string, value: T, revision: number): Promise<number> {
    return guarded(key, () => this.#kv.update(key, encode(value), revision));
  }

  async remove(key: string): Promise<void> {
    await this.#kv.purge(key);
  }

  /**
   * Calls back for every record there is (resolving after those), then for each change; `null` for a record that went. Goes on after a lost
   * connection: the watch is begun anew and what changed meanwhile is told, vanished keys included.
   */
  async watch(onRecord: (key: string, record: Revised<T> | null) => void): Promise<() => void> {
    let stopped = false;
    let end = () => {};
    const known = new Map<string, number>();
    const open = async () => {
      const entries = await this.#kv.watch({ include: '' });
      end = () => entries.stop();
      const present = new Set(await this.keys());
      for (const key of [...known.keys()]) {
        if (present.has(key)) continue;
        known.delete(key);
        onRecord(key, null);
      }
      return entries;
    };
    let ready = () => {};
    const initial = new Promise<void>((resolve) => (ready = resolve));
    const follow = async (entries: Awaited<ReturnType<typeof open>>) => {
      let waitingFor = (await this.keys()).length;
      if (waitingFor === 0) ready();
      for await (const entry of entries) {
        this.#tell(entry, known, onRecord);
        if (--waitingFor <= 0) ready();
      }
    };
    let entries = await open();
    void (async () => {
      while (!stopped) {
        await follow(entries).catch(() => {});
        if (stopped) return;
        await pause(RETRY_MS);
        entries = await open().catch(() => entries);
      }
    })();
    await initial;
    return () => {
      stopped = true;
      end();
    };
  }

  #tell(entry: KvEntry, known: Map<string, number>, onRecord: (key: string, record: Revised<T> | null) => void): void {
    if ((known.get(entry.key) ?? 0) >= entry.revision) return;
    if (entry.operation === 'PUT') {
      const record = this.#read(entry);
      known.set(entry.key, entry.revision);
      if (record) onRecord(entry.key, record);
    } else if (known.delete(entry.key)) {
      onRecord(entry.key, null);
    }
  }

  #read(entry: KvEntry): Revised<T> | null {
    if (entry.operation !== 'PUT') return null;
    // A record of another version of Downpour, or garbage: as good as absent.
    const result = this.#schema.safeParse(parse(entry));
    return result.success ? { value: result.data, revision: entry.revision } : null;
  }
}

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

const parse = (entry: KvEntry): unknown => {
  try {
    return entry.json<unknown>();
  } catch {
    return null;
  }
};

const guarded = async (key: string, write: () => Promise<number>): Promise<number> => {
  try {
    return await write();
  } catch (error) {
    const code = (error as { code?: unknown }).code ?? (error as { cause?: { code?: unknown } }).cause?.code;
    const message = error instanceof Error ? error.message : String(error);
    if (code === WRONG_LAST_SEQUENCE || /wrong last sequence|key exists/i.test(message)) {
      throw new DownpourError('conflict', `${key} was changed by somebody else: read it again`, { cause: error });
    }
    throw error;
  }
};
