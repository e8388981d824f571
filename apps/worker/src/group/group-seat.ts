import { randomUUID } from 'node:crypto';
import type { CrossingRequest, GroupWork, GroupWorkReply, GroupWorkRequest } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { EvaluationSums } from '@downpour/training';
import { GroupRun } from './group-run.ts';
import type { GroupLinks, SeatPlace } from './ports.ts';

/** How long a `wait` is held back: shorter than a request's silence. */
const WAIT_MS = 1000;
/** Pieces of work that a member remembers the end of. */
const KNOWN_RUNS = 16;

/** Does one piece of work on this member, in its turn; it is over when `settled` is. Sums: of an evaluation. */
export type DoWork = (work: GroupWork, run: GroupRun) => Promise<{ settled: Promise<EvaluationSums | undefined> }>;

interface KnownRun {
  run: GroupRun;
  ended: Promise<GroupWorkReply>;
}

const REPLY = { type: 'groupWork', v: 1 } as const;

/**
 * A worker's place in a group, for as long as the group stays as it is. Pieces of work go one after the other on each member, in the order in which the leader begins them.
 */
export class GroupSeat {
  readonly place: SeatPlace;
  readonly #jobId: string;
  readonly #links: GroupLinks;
  readonly #work: DoWork;
  readonly #runs = new Map<string, KnownRun>();
  /** Those that this member leads. */
  readonly #led = new Set<GroupRun>();
  #turn: Promise<unknown> = Promise.resolve();
  /** Members are being told of what was given up: nothing is begun before they know, or it would wait behind that. */
  #givingUp: Promise<unknown> = Promise.resolve();
  readonly #left = new AbortController();

  constructor(jobId: string, place: SeatPlace, links: GroupLinks, work: DoWork) {
    this.#jobId = jobId;
    this.place = place;
    this.#links = links;
    this.#work = work;
  }

  get leads(): boolean {
    return this.place.partition === 0;
  }

  /** The group is no more, or this worker is no longer in it: all that is under way is given up. */
  leave(reason: Error): void {
    this.#left.abort(reason);
    for (const { run } of this.#runs.values()) run.close(reason);
    for (const run of this.#led) run.close(reason);
  }

  /** What the leader asks of this member. @throws DownpourError unavailable when this is another group than the leader's */
  async answer({ run: id, generation, partition, ask }: GroupWorkRequest): Promise<GroupWorkReply> {
    if (generation !== this.place.generation || partition !== this.place.partition || this.#left.signal.aborted)
      throw new DownpourError('unavailable', `This worker is not in generation ${generation} of the group`);
    const known = this.#runs.get(id) ?? (ask.kind === 'begin' ? this.#begin(id, ask.work) : null);
    if (!known) return { ...REPLY, state: ask.kind === 'giveUp' ? 'done' : 'failed' };
    if (ask.kind === 'begin') return { ...REPLY, state: 'working' };
    if (ask.kind === 'giveUp') known.run.close();
    return (await within(WAIT_MS, known.ended)) ?? { ...REPLY, state: 'working' };
  }

  /** A tensor from a peer. @throws DownpourError unavailable when its work is not known (yet, or any more): the peer tries again while it cares */
  deliver({ run: id, from, step, microBatch, tensor, direction }: CrossingRequest, values: Float32Array): void {
    const run = this.#runs.get(id)?.run ?? [...this.#led].find((led) => led.id === id);
    if (!run || run.signal.aborted)
      throw new DownpourError('unavailable', 'This work of the group is not under way here');
    run.deliver(from, { step, microBatch, tensor, direction }, values);
  }

  /**
   * Begins a piece of work on all members and does the leader's part, `own`, which says when it is over (`end`, `giveUp`). `others` settles when the other members are done, with the sums of an
   * evaluation. Whatever goes wrong anywhere gives it up everywhere.
   */
  async lead<Result>(
    work: GroupWork,
    signal: AbortSignal,
    own: (run: GroupRun, others: Promise<EvaluationSums | undefined>) => Promise<Result>,
  ): Promise<Result> {
    const run = new GroupRun(randomUUID().slice(0, 13), this.#jobId, this.place, this.#links);
    const either = AbortSignal.any([signal, this.#left.signal]);
    const giveUp = () => run.close(either.reason as Error);
    either.addEventListener('abort', giveUp);
    if (either.aborted) giveUp();
    this.#led.add(run);
    try {
      await Promise.race([this.#givingUp, aborted(run.signal)]);
      await this.#askOthers(run, { kind: 'begin', work });
      const others = this.#followOthers(run);
      others.catch((error: unknown) => run.close(error as Error));
      return await this.#inTurn(() => own(run, others));
    } catch (error) {
      this.giveUp(run);
      throw error;
    } finally {
      either.removeEventListener('abort', giveUp);
    }
  }

  /** All members are done with it. */
  end(run: GroupRun): void {
    this.#led.delete(run);
    run.close();
  }

  /** Nobody is to work on it any more. */
  giveUp(run: GroupRun): void {
    if (!this.#led.has(run)) return;
    this.end(run);
    const told = this.#others.map((partition) => this.#ask(partition, run, { kind: 'giveUp' }, this.#left.signal));
    this.#givingUp = Promise.allSettled([this.#givingUp, ...told]);
  }

  get #others(): number[] {
    return this.place.members
      .map((_, partition) => partition)
      .filter((partition) => partition !== this.place.partition);
  }

  #begin(id: string, work: GroupWork): KnownRun {
    const run = new GroupRun(id, this.#jobId, this.place, this.#links);
    const ended = this.#inTurn(async () => {
      run.signal.throwIfAborted();
      return this.#work(work, run);
    })
      .then(({ settled }) => settled)
      .then(
        (sums): GroupWorkReply => ({ ...REPLY, state: 'done', ...(sums && { sums }) }),
        (error: unknown): GroupWorkReply => ({ ...REPLY, state: 'failed', error: replyOf(error) }),
      );
    void ended.then(() => run.close());
    const known = { run, ended };
    this.#runs.set(id, known);
    if (this.#runs.size > KNOWN_RUNS) this.#runs.delete(this.#runs.keys().next().value!);
    return known;
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #askOthers(run: GroupRun, ask: GroupWorkRequest['ask']): Promise<void> {
    await Promise.all(this.#others.map((partition) => this.#ask(partition, run, ask, run.signal)));
  }

  /** Until every other member is done. Rejects with the first failure. */
  async #followOthers(run: GroupRun): Promise<EvaluationSums | undefined> {
    const sums = await Promise.all(
      this.#others.map(async (partition) => {
        for (;;) {
          const { state, error, sums } = await this.#ask(partition, run, { kind: 'wait' }, run.signal);
          if (state === 'done') return sums;
          if (state === 'failed')
            throw error
              ? new DownpourError(error.code, error.message)
              : new DownpourError(
                  'unavailable',
                  `${this.place.members[partition]} does not know of this work: it was restarted`,
                );
        }
      }),
    );
    return sums.find((each) => each !== undefined && each.examples > 0);
  }

  #ask(partition: number, run: GroupRun, ask: GroupWorkRequest['ask'], signal: AbortSignal): Promise<GroupWorkReply> {
    const { generation, members } = this.place;
    const request = { type: 'groupWork', v: 1, jobId: this.#jobId, generation, partition, run: run.id, ask } as const;
    return this.#links.askMember(members[partition]!, request, signal);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function replyOf(error: unknown): NonNullable<GroupWorkReply['error']> {
  if (error instanceof DownpourError) return error.toReply().error;
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, ms, null)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
