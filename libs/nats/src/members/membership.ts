import { buckets, memberSchema } from '@downpour/contracts';
import type { Member } from '@downpour/contracts';
import { jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import type { Msg, Subscription } from '@nats-io/nats-core';
import { MEMBER_TTL_MS } from '../infrastructure.ts';
import { RecordBucket } from '../kv/record-bucket.ts';
import { decodeRecord, encodeRecord } from '../kv/record-codec.ts';
import type { NatsLink } from '../link/nats-link.ts';
import { pause } from '../link/pause.ts';
import { refusalReason } from '../refusals/refusals.ts';

export interface MemberChange {
  kind: 'joined' | 'left' | 'updated';
  member: Member;
}

const HEARTBEAT_MS = 1000;
const SWEEP_MS = 500;
/** We hear our own heartbeats as the others' come: when they do not return, we are the deaf ones. */
const DEAF_AFTER_MS = 2500;
/** A sweep that comes so late was held up: by a busy or frozen process, whose view of the others is as old. */
const HELD_UP_MS = 1500;

/**
 * Who is alive. Every process renews its key `<role>.<instance>` each second; the bucket forgets keys after MEMBER_TTL_MS, for those
 * who come later. Those who are there hear the renewals themselves (a KV put is a message on the key's subject), and call a member
 * gone when it is silent for as long. Nobody is called gone while we are the ones who cannot hear (not even ourselves): after
 * a lost connection, a frozen server or a pause of this process everyone gets the full time again.
 */
export class Membership {
  readonly #link: NatsLink;
  readonly #prefix = `$KV.${buckets.members}.`;
  readonly #known = new Map<string, { member: Member; heardAt: number; text: string }>();
  readonly #listeners = new Set<(change: MemberChange) => void>();
  readonly #offStatus: () => void;
  #subscription: Subscription | undefined;
  #own: Member | null = null;
  #ownBytes: Uint8Array = new Uint8Array(0);
  #heartbeat: NodeJS.Timeout | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #sweptAt = performance.now();

  private constructor(link: NatsLink) {
    this.#link = link;
    this.#offStatus = link.onStatus((status) => {
      if (status !== 'connected') return;
      this.#forgive();
      this.#beat();
      void this.#readAll();
    });
  }

  /** Begins to listen. Resolves once every member there is is known. */
  static async start(link: NatsLink): Promise<Membership> {
    const membership = new Membership(link);
    membership.#subscription = link.nc.subscribe(`${membership.#prefix}>`, {
      callback: (error, message) => {
        if (error === null) membership.#onMessage(message);
      },
    });
    await membership.#readAll();
    membership.#sweptAt = performance.now();
    membership.#sweeper = setInterval(() => membership.#sweep(), SWEEP_MS);
    membership.#sweeper.unref();
    return membership;
  }

  /** Everyone who is alive, this process too once it has joined. */
  members(): Member[] {
    return [...this.#known.values()].map(({ member }) => member);
  }

  /** Calls back for everyone there is, as joined, then for each change. Returns a function that ends it. */
  onChange(listener: (change: MemberChange) => void): () => void {
    this.#listeners.add(listener);
    for (const { member } of [...this.#known.values()]) listener({ kind: 'joined', member });
    return () => this.#listeners.delete(listener);
  }

  /** Makes this process a member. */
  async join(member: Member): Promise<void> {
    this.#setOwn(member);
    clearInterval(this.#heartbeat);
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
    await jetstream(this.#link.nc)
      .publish(this.#subjectOf(member), this.#ownBytes)
      // The next heartbeat tries again.
      .catch(() => undefined);
    this.#hear(member);
  }

  /** Changes what this process says of itself, at once. */
  update(change: { details?: Member['details']; draining?: boolean }): void {
    if (this.#own === null) return;
    this.#setOwn({ ...this.#own, ...change });
    this.#hear(this.#own);
    this.#beat();
  }

  /** Takes this process out: the others know at once. */
  async leave(): Promise<void> {
    clearInterval(this.#heartbeat);
    const own = this.#own;
    if (own === null) return;
    this.#own = null;
    const head = headers();
    head.set('KV-Operation', 'DEL');
    await jetstream(this.#link.nc, { timeout: 2000 })
      .publish(this.#subjectOf(own), new Uint8Array(0), { headers: head })
      .catch(() => undefined);
    this.#gone(keyOf(own));
  }

  /** Leaves, and listens no more. */
  async stop(): Promise<void> {
    await this.leave();
    clearInterval(this.#sweeper);
    this.#offStatus();
    this.#listeners.clear();
    this.#subscription?.unsubscribe();
  }

  #setOwn(member: Member): void {
    this.#own = member;
    this.#ownBytes = encodeRecord(member);
  }

  #beat(): void {
    if (this.#own !== null) this.#link.publish(this.#subjectOf(this.#own), this.#ownBytes);
  }

  #onMessage({ subject, headers: head, data }: Msg): void {
    const key = subject.slice(this.#prefix.length);
    if (head?.has('KV-Operation') === true) return this.#gone(key);
    try {
      const text = Buffer.from(data).toString('latin1');
      const known = this.#known.get(key);
      // Nearly every heartbeat says what the one before said.
      if (known !== undefined && known.text === text) known.heardAt = performance.now();
      else this.#hear(memberSchema.parse(decodeRecord(data)), text);
    } catch (error) {
      this.#link.refusals.count(buckets.members, refusalReason(error));
      // Not a member of this version: nobody we could work with.
    }
  }

  #hear(member: Member, text = ''): void {
    const key = keyOf(member);
    const known = this.#known.get(key);
    this.#known.set(key, { member, heardAt: performance.now(), text });
    if (known === undefined) this.#tell({ kind: 'joined', member });
    else if (JSON.stringify(known.member) !== JSON.stringify(member)) this.#tell({ kind: 'updated', member });
  }

  #gone(key: string): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    this.#known.delete(key);
    this.#tell({ kind: 'left', member: known.member });
  }

  #tell(change: MemberChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }

  async #readAll(): Promise<void> {
    const bucket = new RecordBucket(this.#link, buckets.members, memberSchema);
    for (let tries = 0; tries < 20 && !this.#link.closed; tries++) {
      try {
        for (const { key, value } of await bucket.list()) if (!this.#known.has(key)) this.#hear(value);
        return;
      } catch {
        await pause(250);
      }
    }
  }

  #sweep(): void {
    const now = performance.now();
    const heldUp = now - this.#sweptAt > HELD_UP_MS;
    this.#sweptAt = now;
    const own = this.#own === null ? null : keyOf(this.#own);
    const ownHeardAt = own === null ? undefined : this.#known.get(own)?.heardAt;
    const deaf = ownHeardAt !== undefined && now - ownHeardAt > DEAF_AFTER_MS;
    if (heldUp || deaf || !this.#link.connected) return this.#forgive(own);
    for (const [key, { heardAt }] of this.#known) if (key !== own && now - heardAt > MEMBER_TTL_MS) this.#gone(key);
  }

  #forgive(own: string | null = null): void {
    const now = performance.now();
    for (const [key, known] of this.#known) if (key !== own) known.heardAt = now;
  }

  #subjectOf(member: Member): string {
    return this.#prefix + keyOf(member);
  }
}

const keyOf = ({ role, instance }: Member): string => `${role}.${instance}`;
