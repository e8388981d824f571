import { DownpourError } from '@downpour/contracts';
import type { KV } from '@nats-io/kv';
import { z } from 'zod';
import type { NatsLog } from '../connection.ts';
import { LEASE_TTL_MS } from '../infrastructure.ts';
import { KvJson } from './kv-json.ts';

const KEY = 'coordinator';
const RENEW_MS = 1_000;
/** A holder that could not renew stops before another can have taken over. */
const GIVE_UP_MS = LEASE_TTL_MS - RENEW_MS;
const holderSchema = z.object({ instance: z.string() });

/** At most one holder at a time: the key expires unless its holder renews it, and every write names the revision it replaces. */
export class Lease {
  readonly #records: KvJson<{ instance: string }>;
  readonly #instance: string;
  readonly #log: NatsLog;
  #revision: number | null = null;
  #renewedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #busy: Promise<void> = Promise.resolve();
  #onGained: () => void = () => {};
  #onLost: () => void = () => {};

  constructor(kv: KV, instance: string, log: NatsLog) {
    this.#records = new KvJson(kv, holderSchema);
    this.#instance = instance;
    this.#log = log;
  }

  get held(): boolean {
    return this.#revision !== null;
  }

  /** The instance that holds it, or null. */
  async holder(): Promise<string | null> {
    return (await this.#records.get(KEY))?.value.instance ?? null;
  }

  /** Tries to get and keep it until `release`. */
  start(onGained: () => void, onLost: () => void): void {
    this.#onGained = onGained;
    this.#onLost = onLost;
    const tick = () => {
      this.#busy = this.#busy.then(() => this.#tick());
    };
    tick();
    this.#timer = setInterval(tick, RENEW_MS);
  }

  /** Lets go at once, so that another gateway takes over without waiting for the key to expire. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#busy;
    if (this.#revision === null) return;
    this.#lose();
    await this.#records.remove(KEY).catch(() => {});
  }

  async #tick(): Promise<void> {
    const own = { instance: this.#instance };
    const began = Date.now();
    try {
      if (this.#revision === null) {
        this.#revision = await this.#records.create(KEY, own);
        this.#renewedAt = began;
        this.#log.info({}, 'this gateway coordinates now');
        this.#onGained();
      } else {
        this.#revision = await this.#records.update(KEY, own, this.#revision);
        this.#renewedAt = began;
      }
    } catch (error) {
      const conflict = error instanceof DownpourError && error.code === 'conflict';
      if (this.#revision !== null && (conflict || Date.now() - this.#renewedAt > GIVE_UP_MS)) this.#lose();
    }
  }

  #lose(): void {
    this.#revision = null;
    this.#log.warn({}, 'this gateway does not coordinate any more');
    this.#onLost();
  }
}
