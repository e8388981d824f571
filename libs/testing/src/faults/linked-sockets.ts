import type { Socket } from 'node:net';

export interface LinkBehaviour {
  /** Ways on which nothing passes. */
  stalled: ReadonlySet<'toTarget' | 'toClient'>;
  /** How much later bytes go out than they came in. */
  delayMs: number;
}

/** Changes what goes through a connection. */
export interface ByteFilter {
  take(bytes: Buffer): void;
  /** The connection is over. */
  stop(): void;
}
export type MakeByteFilter = (emit: (bytes: Buffer) => void) => ByteFilter;

/** One connection through a proxy: the socket of who connected, and the one to the target. */
export class LinkedSockets {
  onClosed: () => void = () => undefined;
  #client: Socket;
  #openTarget: () => Socket;
  #target: Socket | undefined;
  #lanes: Lane[] = [];
  #closed = false;
  #passed: (bytes: number) => void;
  #toTarget: MakeByteFilter | undefined;

  constructor(client: Socket, openTarget: () => Socket, passed: (bytes: number) => void, toTarget?: MakeByteFilter) {
    this.#client = client;
    this.#openTarget = openTarget;
    this.#passed = passed;
    this.#toTarget = toTarget;
  }

  behave({ stalled, delayMs }: LinkBehaviour): void {
    if (this.#closed) return;
    // The target does not hear of a connection that was opened behind a partition: its packets would be lost too.
    if (this.#target === undefined && stalled.size === 0) this.#join();
    const [toTarget, toClient] = this.#lanes;
    toTarget?.behave(stalled.has('toTarget'), delayMs);
    toClient?.behave(stalled.has('toClient'), delayMs);
  }

  /** Both ends see a connection reset by its peer. */
  reset(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const lane of this.#lanes) lane.stop();
    this.#client.resetAndDestroy();
    this.#target?.resetAndDestroy();
    this.onClosed();
  }

  #join(): void {
    const target = this.#openTarget();
    target.setNoDelay(true);
    target.on('error', () => undefined);
    this.#target = target;
    const done = (): void => this.reset();
    this.#lanes = [
      new Lane(this.#client, target, this.#passed, done, this.#toTarget),
      new Lane(target, this.#client, this.#passed, done),
    ];
  }
}

type Parcel = { dueAt: number; bytes: Buffer | 'end' | 'broken' };

/** One direction of a connection. Also its end goes through it in order: a partition hides that too. */
class Lane {
  #from: Socket;
  #to: Socket;
  #passed: (bytes: number) => void;
  #done: () => void;
  #held: Parcel[] = [];
  #stalled = false;
  #delayMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #filter: ByteFilter | undefined;

  constructor(
    from: Socket,
    to: Socket,
    passed: (bytes: number) => void,
    done: () => void,
    makeFilter?: MakeByteFilter,
  ) {
    this.#from = from;
    this.#to = to;
    this.#passed = passed;
    this.#done = done;
    this.#filter = makeFilter?.((bytes) => this.#take(bytes));
    from.on('data', (bytes: Buffer) => (this.#filter ? this.#filter.take(bytes) : this.#take(bytes)));
    from.on('end', () => this.#take('end'));
    from.on('close', () => this.#take('broken'));
    to.on('drain', () => {
      if (!this.#stalled) from.resume();
    });
    from.resume();
  }

  behave(stalled: boolean, delayMs: number): void {
    this.#stalled = stalled;
    this.#delayMs = delayMs;
    // Without this the sender's buffers would never fill, as they do behind a partition.
    if (stalled) this.#from.pause();
    else this.#from.resume();
    if (delayMs === 0) for (const parcel of this.#held) parcel.dueAt = 0;
    this.#flush();
  }

  stop(): void {
    this.#stopped = true;
    this.#filter?.stop();
    clearTimeout(this.#timer);
    this.#held = [];
  }

  #take(bytes: Parcel['bytes']): void {
    if (this.#stopped) return;
    this.#held.push({ dueAt: this.#delayMs === 0 ? 0 : Date.now() + this.#delayMs, bytes });
    this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    if (this.#stalled || this.#stopped) return;
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      const waitMs = next.dueAt - Date.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#flush(), waitMs);
        return;
      }
      this.#held.shift();
      if (next.bytes === 'broken') return this.#done();
      if (next.bytes === 'end') this.#to.end();
      else {
        this.#passed(next.bytes.length);
        if (!this.#to.write(next.bytes)) this.#from.pause();
      }
    }
  }
}
