import { SeededRandom } from './seeded-random.ts';
import type { ByteFilter } from './linked-sockets.ts';

export interface NatsDisorderOptions {
  seed: number;
  /** Share of messages that are sent twice, the second one late. @default 0 */
  duplicate?: number;
  /** Share of messages that are held up, so that later ones overtake them. @default 0 */
  delay?: number;
  /** Longest that a message or a double is held up. @default 200 */
  longestMs?: number;
  /** Which messages. @default all */
  subjects?: (subject: string) => boolean;
  /** Told of each. */
  onDisorder?: (what: 'duplicate' | 'delay', subject: string) => void;
}

const END_OF_LINE = Buffer.from('\r\n');
const DEFAULT_LONGEST_MS = 200;

/**
 * What a client sends to a nats-server, out of order: its messages (PUB, HPUB) doubled and held up, everything else (subscriptions, pings) at once and as it
 * came. For `startTcpProxy`'s `toTarget`: one for each connection.
 */
export class NatsDisorder implements ByteFilter {
  readonly #options: NatsDisorderOptions;
  readonly #random: SeededRandom;
  readonly #emit: (bytes: Buffer) => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Bytes of the message whose line has been read, line and payload together; 0 while a line is awaited. */
  #wanted = 0;
  #subject = '';

  constructor(options: NatsDisorderOptions, emit: (bytes: Buffer) => void) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#emit = emit;
  }

  take(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    // Payloads come in many pieces: they are joined once.
    if (this.#pendingBytes < this.#wanted) return;
    let left = Buffer.concat(this.#pending);
    for (;;) {
      if (this.#wanted === 0 && !this.#readLine(left)) break;
      if (left.length < this.#wanted) break;
      this.#pass(left.subarray(0, this.#wanted));
      left = left.subarray(this.#wanted);
      this.#wanted = 0;
    }
    this.#pending = left.length === 0 ? [] : [left];
    this.#pendingBytes = left.length;
  }

  /** What is held up is lost, as with a connection that breaks. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #readLine(bytes: Buffer): boolean {
    const end = bytes.indexOf(END_OF_LINE);
    if (end < 0) return false;
    const [op = '', subject = '', ...rest] = bytes.toString('latin1', 0, end).split(' ');
    const isMessage = /^h?pub$/i.test(op);
    this.#subject = isMessage ? subject : '';
    this.#wanted = end + END_OF_LINE.length + (isMessage ? Number(rest.at(-1)) + END_OF_LINE.length : 0);
    return true;
  }

  #pass(bytes: Buffer): void {
    const { duplicate = 0, delay = 0, subjects = () => true, onDisorder } = this.#options;
    const subject = this.#subject;
    if (subject === '' || !subjects(subject)) return this.#emit(bytes);
    const random = this.#random;
    if (random.chance(duplicate)) {
      onDisorder?.('duplicate', subject);
      this.#later(Buffer.from(bytes));
    }
    if (!random.chance(delay)) return this.#emit(bytes);
    onDisorder?.('delay', subject);
    this.#later(Buffer.from(bytes));
  }

  #later(bytes: Buffer): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        this.#emit(bytes);
      },
      this.#random.between(1, this.#options.longestMs ?? DEFAULT_LONGEST_MS),
    );
    this.#timers.add(timer);
  }
}
