import { buckets, DownpourError } from '@downpour/contracts';
import type { NatsLink } from '../link/nats-link.ts';
import { LEASE_TTL_MS } from '../infrastructure.ts';
import { RecordBucket } from './record-bucket.ts';
import { z } from 'zod';

export interface LeaseOptions {
  /** What is leased: one holder for each key. */
  key: string;
  /** Who asks. */
  instance: string;
  onGained(): void;
  onLost(): void;
}

const leaseSchema = z.object({ instance: z.string() });
const RENEW_MS = 1000;
/** The holder steps back a second before the key can expire under it. */
const STEP_BACK_MS = LEASE_TTL_MS - 1000;

/**
 * A lease in an expiring KV key. Whoever creates the key holds it while it renews the key by revision; when it cannot for too
 * long, it knows that it has lost it before anybody else can gain it. Writes guarded by it must still name revisions: a frozen
 * holder learns of its loss only when it wakes up.
 */
export class Lease {
  readonly #records: RecordBucket<z.infer<typeof leaseSchema>>;
  readonly #options: LeaseOptions;
  #revision: number | null = null;
  #renewedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #turn: Promise<void> | undefined;
  #stopped = false;
  #holder: string | null = null;

  private constructor(link: NatsLink, options: LeaseOptions) {
    this.#records = new RecordBucket(link, buckets.lease, leaseSchema);
    this.#options = options;
  }

  /** Begins to strive for the lease. */
  static start(link: NatsLink, options: LeaseOptions): Lease {
    const lease = new Lease(link, options);
    lease.#schedule(0);
    return lease;
  }

  get held(): boolean {
    return this.#revision !== null;
  }

  /** Who holds it, as far as this process knows. */
  get holder(): string | null {
    return this.#holder;
  }

  /** Gives the lease back, so that another gains it at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#turn;
    if (this.#revision === null) return;
    this.#lose();
    await this.#records.remove(this.#options.key).catch(() => undefined);
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#turn = this.#strive().finally(() => this.#schedule(RENEW_MS));
    }, delayMs);
  }

  async #strive(): Promise<void> {
    const { key, instance } = this.#options;
    const begunAt = performance.now();
    try {
      const revision = this.#revision;
      const renewed =
        revision === null
          ? await this.#records.create(key, { instance })
          : await this.#records.update(key, { instance }, revision);
      // The loss may have been declared while the answer was under way: then it is not ours any more to keep.
      if (revision !== null && this.#revision === null) return;
      if (performance.now() - begunAt >= STEP_BACK_MS) return this.#lose();
      this.#revision = renewed;
      this.#renewedAt = begunAt;
      this.#holder = instance;
      clearTimeout(this.#watchdog);
      this.#watchdog = setTimeout(() => this.#lose(), STEP_BACK_MS - (performance.now() - begunAt));
      if (revision === null) this.#options.onGained();
    } catch (error) {
      if (error instanceof DownpourError && error.code === 'conflict') {
        if (this.#revision !== null) this.#lose();
        this.#holder = (await this.#records.get(key).catch(() => null))?.value.instance ?? null;
      } else if (this.#revision !== null && performance.now() - this.#renewedAt >= STEP_BACK_MS) this.#lose();
    }
  }

  #lose(): void {
    clearTimeout(this.#watchdog);
    if (this.#revision === null) return;
    this.#revision = null;
    this.#holder = null;
    this.#options.onLost();
  }
}
