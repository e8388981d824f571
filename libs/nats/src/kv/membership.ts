import { memberSchema, type Member } from '@downpour/contracts';
import type { KV } from '@nats-io/kv';
import type { NatsLog } from '../connection.ts';
import { HEARTBEAT_MS, MEMBER_TTL_MS } from '../infrastructure.ts';
import { KvJson } from './kv-json.ts';

/** How often silent members are looked for: a marker of an expired key may come late, or not at all after a lost connection. */
const SWEEP_MS = 500;

export type MembershipChange = { change: 'joined' | 'updated' | 'left'; member: Member };

/** Who is alive: one key for each process, which expires unless its process renews it. */
export class Membership {
  readonly #records: KvJson<Member>;
  readonly #log: NatsLog;
  readonly #members = new Map<string, { member: Member; heardAt: number }>();
  readonly #listeners = new Set<(change: MembershipChange) => void>();
  readonly #timers: NodeJS.Timeout[] = [];
  #own: Member | null = null;
  #stop: () => void = () => {};
  #sweptAt = 0;

  constructor(kv: KV, log: NatsLog) {
    this.#records = new KvJson(kv, memberSchema);
    this.#log = log;
  }

  /** Follows the others; resolves when those alive now are known. */
  async watch(): Promise<void> {
    this.#stop = await this.#records.watch((key, record) => {
      if (record) this.#heard(key, record.value);
      else this.#gone(key);
    });
    this.#sweptAt = Date.now();
    this.#every(SWEEP_MS, () => this.#sweep());
  }

  /** Adds this process and keeps its key alive until `leave`. */
  async join(member: Member): Promise<void> {
    this.#own = member;
    await this.#renew();
    this.#every(
      HEARTBEAT_MS,
      () =>
        void this.#renew().catch((error: unknown) =>
          this.#log.warn({ reason: String(error) }, 'could not renew membership'),
        ),
    );
  }

  /** Changes what the others know of this process. */
  async update(change: Partial<Pick<Member, 'draining' | 'details'>>): Promise<void> {
    if (!this.#own) return;
    this.#own = { ...this.#own, ...change };
    await this.#renew();
  }

  /** The others see at once that it is gone. */
  async leave(): Promise<void> {
    const own = this.#own;
    this.#own = null;
    if (own) await this.#records.remove(keyOf(own)).catch(() => {});
  }

  /** Stops following; call `leave` first. */
  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#stop();
  }

  members(): Member[] {
    return [...this.#members.values()].map(({ member }) => member);
  }

  /** Returns a function that ends it. */
  onChange(listener: (change: MembershipChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #renew(): Promise<void> {
    if (this.#own) await this.#records.put(keyOf(this.#own), this.#own);
  }

  #heard(key: string, member: Member): void {
    const known = this.#members.get(key);
    this.#members.set(key, { member, heardAt: Date.now() });
    if (!known) this.#tell({ change: 'joined', member });
    else if (JSON.stringify(known.member) !== JSON.stringify(member)) this.#tell({ change: 'updated', member });
  }

  #gone(key: string): void {
    const known = this.#members.get(key);
    if (!known) return;
    this.#members.delete(key);
    this.#tell({ change: 'left', member: known.member });
  }

  #sweep(): void {
    const now = Date.now();
    // While this process itself was frozen or cut off, silence says nothing about the others: their time starts anew.
    if (now - this.#sweptAt > MEMBER_TTL_MS / 2) for (const known of this.#members.values()) known.heardAt = now;
    this.#sweptAt = now;
    const silent = [...this.#members].filter(([, { heardAt }]) => now - heardAt > MEMBER_TTL_MS);
    // All silent at once: it is NATS that is away.
    if (silent.length > 1 && silent.length === this.#members.size) return;
    for (const [key] of silent) this.#gone(key);
  }

  #tell(change: MembershipChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  #every(ms: number, run: () => void): void {
    const timer = setInterval(run, ms);
    timer.unref();
    this.#timers.push(timer);
  }
}

const keyOf = ({ role, instance }: Member) => `${role}.${instance}`;
