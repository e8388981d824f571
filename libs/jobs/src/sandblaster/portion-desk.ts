import type { ChunkTask, PortionReply, PortionRequest } from '@downpour/contracts';
import { chunksInEpoch } from '@downpour/contracts';
import type { JobPlan } from '@downpour/contracts';
import { PortionBoard } from '@downpour/training';

/** How often who waits is looked at, as copies fall due by time alone. */
const LOOK_MS = 20;

interface Waiter {
  worker: string;
  until: number;
  settle: (reply: PortionReply) => void;
}

/** Where workers ask for portions, and tell what became of them. */
export class PortionDesk {
  readonly board: PortionBoard;
  readonly #jobId: string;
  readonly #alive: () => Set<string>;
  #waiters: Waiter[] = [];
  #onComplete: (() => void) | null = null;
  readonly #timer: NodeJS.Timeout;

  constructor(plan: JobPlan, alive: () => Set<string>, backups: boolean) {
    this.board = new PortionBoard(chunksInEpoch(plan.chunks), () => performance.now(), { backups });
    this.#jobId = plan.jobId;
    this.#alive = alive;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Gives out the portions of an evaluation; resolves when all are finished. @throws the signal's reason */
  async gather(evaluation: number, version: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.board.begin(evaluation, version);
    const onAbort = () => this.#onComplete?.();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await new Promise<void>((resolve) => {
        this.#onComplete = resolve;
        this.#look();
      });
      signal.throwIfAborted();
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#onComplete = null;
      this.board.end();
    }
  }

  answer({ worker, waitMs, finished, returned, holding }: PortionRequest): Promise<PortionReply> {
    for (const { epoch, chunk } of finished) this.board.finish(worker, epoch, chunk);
    for (const { epoch, chunk } of returned) this.board.giveBack(worker, epoch, chunk);
    if (holding !== undefined) this.#asksAnew(worker, holding);
    return new Promise((settle) => {
      if (waitMs === null) settle(this.#reply(null, 0));
      else this.#waiters.push({ worker, until: performance.now() + waitMs, settle });
      this.#look();
    });
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { settle } of this.#waiters) settle(this.#reply(null, 0));
    this.#waiters = [];
  }

  /** It has one wish at a time: an earlier one that waits here it has given up. */
  #asksAnew(worker: string, holding: NonNullable<PortionRequest['holding']>): void {
    this.board.holds(worker, holding);
    for (const waiter of this.#waiters) if (waiter.worker === worker) waiter.settle(this.#reply(null, 0));
    this.#waiters = this.#waiters.filter((waiter) => waiter.worker !== worker);
  }

  #look(): void {
    const alive = this.#alive();
    for (const worker of this.board.holders()) if (!alive.has(worker)) this.board.leave(worker);
    const now = performance.now();
    this.#waiters = this.#waiters.filter(({ worker, until, settle }) => {
      const portion = this.board.take(worker);
      if (portion === null && now < until) return true;
      const { evaluation: epoch = 0, portion: chunk = 0, version = 0, delivery = 0 } = portion ?? {};
      settle(this.#reply(portion && { type: 'chunk', v: 1, jobId: this.#jobId, epoch, chunk, version }, delivery));
      return false;
    });
    if (this.board.complete) this.#onComplete?.();
  }

  #reply(task: ChunkTask | null, delivery: number): PortionReply {
    return { type: 'portion', v: 1, task, delivery };
  }
}
