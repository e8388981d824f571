import { buckets, memberSchema, subjects } from '@downpour/contracts';
import type { Member, Role } from '@downpour/contracts';
import { jetstream } from '@nats-io/jetstream';
import { createInbox, headers } from '@nats-io/nats-core';
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
const SWEEP_MS = 200;
/** Whoever has missed a heartbeat is asked whether it is there. */
const PROBE_AFTER_MS = HEARTBEAT_MS + 100;
/** Those that are attended to: four small messages a second for each. */
const ATTEND_AFTER_MS = 250;
/**
 * NATS answers for a member that has no connection any more ("no responders"): its process has died, or is about to connect again,
 * which takes 250 to 500 ms and a dial. A process that is merely busy or frozen is connected all the same.
 */
const UNREACHABLE_MS = 750;
/** A member may trust that nobody has called it gone for so long after a heartbeat that JetStream has acknowledged: a second less than it takes. */
const CONFIRMED_MS = MEMBER_TTL_MS - 1000;
/** We hear our own heartbeats as the others' come: when they do not return, we are the deaf ones. */
const DEAF_AFTER_MS = 2500;
/** A sweep that comes so late was held up: by a busy or frozen process, whose view of the others is as old. */
const HELD_UP_MS = 1500;

/** Whether the others still count on this process. */
export interface Standing {
  /** Nobody has had reason to call this process gone, so far as it can know. */
  confirmed: boolean;
  /** How often that was not so: whoever finds another number than before must look anew at what it was given to do. */
  lapses: number;
}

export interface MembershipOptions {
  /** Roles whose death should be noticed within a second, instead of two: for whoever must replace them. */
  attend?: readonly Role[];
}

interface Known {
  member: Member;
  heardAt: number;
  text: string;
  /** Since when NATS has said that it has no connection. */
  unreachableAt: number | null;
}

/**
 * Who is alive. Every process renews its key `<role>.<instance>` each second; the bucket forgets keys after MEMBER_TTL_MS, for those
 * who come later. Those who are there hear the renewals themselves (a KV put is a message on the key's subject). A member that misses one is asked;
 * it is gone when NATS says for UNREACHABLE_MS that it has no connection (a killed process: within two seconds, or one where `attend` says so), or when it is
 * silent for MEMBER_TTL_MS (a frozen one, a machine that lost its power or its network). Nobody is called gone while we are
 * the ones who cannot hear (not even ourselves): after
 * a lost connection, a frozen server or a pause of this process everyone gets the full time again.
 *
 * The other side of it is `standing`: a process whose heartbeats were not acknowledged for nearly as long must assume that it was called gone.
 */
export class Membership {
  readonly #link: NatsLink;
  readonly #attended: ReadonlySet<Role>;
  readonly #prefix = `$KV.${buckets.members}.`;
  readonly #known = new Map<string, Known>();
  readonly #inbox = createInbox();
  readonly #listeners = new Set<(change: MemberChange) => void>();
  readonly #offStatus: () => void;
  #subscriptions: Subscription[] = [];
  #presence: Subscription | undefined;
  #own: Member | null = null;
  #ownBytes: Uint8Array = new Uint8Array(0);
  #heartbeat: NodeJS.Timeout | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #sweptAt = performance.now();
  #confirmedUntil = -Infinity;
  #lapses = 0;

  private constructor(link: NatsLink, { attend = [] }: MembershipOptions) {
    this.#link = link;
    this.#attended = new Set(attend);
    this.#offStatus = link.onStatus((status) => {
      // Whatever was decided meanwhile could not reach us.
      this.#confirmedUntil = -Infinity;
      if (status !== 'connected') return;
      this.#forgive();
      this.#beat();
      void this.#readAll();
    });
  }

  /** Begins to listen. Resolves once every member there is is known. */
  static async start(link: NatsLink, options: MembershipOptions = {}): Promise<Membership> {
    const membership = new Membership(link, options);
    const subscribe = (subject: string, onMessage: (message: Msg) => void): Subscription =>
      link.nc.subscribe(subject, { callback: (error, message) => void (error === null && onMessage(message)) });
    membership.#subscriptions = [
      subscribe(`${membership.#prefix}>`, (message) => membership.#onMessage(message)),
      subscribe(`${membership.#inbox}.>`, (message) => membership.#onReply(message)),
    ];
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

  /** What an owner must look at before it acts as one. */
  get standing(): Standing {
    return { confirmed: performance.now() < this.#confirmedUntil, lapses: this.#lapses };
  }

  /** Makes this process a member. */
  async join(member: Member): Promise<void> {
    this.#setOwn(member);
    this.#presence ??= this.#link.nc.subscribe(subjects.presence(member.instance), {
      callback: (error, { reply }) => {
        if (error === null && reply !== undefined) this.#link.publish(reply, new Uint8Array(0));
      },
    });
    clearInterval(this.#heartbeat);
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
    const sentAt = performance.now();
    await jetstream(this.#link.nc)
      .publish(this.#subjectOf(member), this.#ownBytes)
      .then(() => this.#confirm(sentAt))
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
    this.#confirmedUntil = -Infinity;
    this.#presence?.unsubscribe();
    this.#presence = undefined;
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
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #setOwn(member: Member): void {
    this.#own = member;
    this.#ownBytes = encodeRecord(member);
  }

  #beat(): void {
    if (this.#own === null) return;
    const reply = `${this.#inbox}.beat.${Math.floor(performance.now())}`;
    this.#link.publish(this.#subjectOf(this.#own), this.#ownBytes, { reply });
  }

  /** Acknowledgements of heartbeats, and what became of the question whether a member is there. */
  #onReply({ subject, headers: head, data }: Msg): void {
    const [kind, token = ''] = subject.slice(this.#inbox.length + 1).split(/\.(.*)/);
    if (kind === 'beat') {
      // An error, or nobody to store it, confirms nothing.
      if (head === undefined && Buffer.from(data).includes('"stream"')) this.#confirm(Number(token));
      return;
    }
    const known = this.#known.get(token);
    const now = performance.now();
    if (known === undefined || now - known.heardAt <= this.#patienceMs(known.member)) return;
    if (head?.code !== 503) known.heardAt = now;
    known.unreachableAt = head?.code === 503 ? (known.unreachableAt ?? now) : null;
    if (known.unreachableAt !== null && now - known.unreachableAt >= UNREACHABLE_MS) this.#gone(token);
  }

  /** JetStream has stored our heartbeat of that time: a majority of its servers heard of us. */
  #confirm(sentAt: number): void {
    if (performance.now() >= this.#confirmedUntil) this.#lapses += 1;
    this.#confirmedUntil = Math.max(this.#confirmedUntil, sentAt + CONFIRMED_MS);
  }

  #onMessage({ subject, headers: head, data }: Msg): void {
    const key = subject.slice(this.#prefix.length);
    if (head?.has('KV-Operation') === true) return this.#gone(key);
    try {
      const text = Buffer.from(data).toString('latin1');
      const known = this.#known.get(key);
      // Nearly every heartbeat says what the one before said.
      if (known !== undefined && known.text === text) {
        known.heardAt = performance.now();
        known.unreachableAt = null;
      } else this.#hear(memberSchema.parse(decodeRecord(data)), text);
    } catch (error) {
      this.#link.refusals.count(buckets.members, refusalReason(error));
      // Not a member of this version: nobody we could work with.
    }
  }

  #hear(member: Member, text = ''): void {
    const key = keyOf(member);
    const known = this.#known.get(key);
    this.#known.set(key, { member, heardAt: performance.now(), text, unreachableAt: null });
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
    for (const [key, { heardAt, member }] of this.#known) {
      if (key === own || now - heardAt <= this.#patienceMs(member)) continue;
      if (now - heardAt > MEMBER_TTL_MS) this.#gone(key);
      else this.#probe(key, member.instance);
    }
  }

  #patienceMs({ role }: Member): number {
    return this.#attended.has(role) ? ATTEND_AFTER_MS : PROBE_AFTER_MS;
  }

  #probe(key: string, instance: string): void {
    this.#link.publish(subjects.presence(instance), new Uint8Array(0), { reply: `${this.#inbox}.probe.${key}` });
  }

  #forgive(own: string | null = null): void {
    const now = performance.now();
    for (const [key, known] of this.#known) {
      if (key === own) continue;
      known.heardAt = now;
      known.unreachableAt = null;
    }
  }

  #subjectOf(member: Member): string {
    return this.#prefix + keyOf(member);
  }
}

const keyOf = ({ role, instance }: Member): string => `${role}.${instance}`;
