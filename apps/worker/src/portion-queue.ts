import type { ChunkTask, PortionReply, PortionRequest } from '@downpour/contracts';
import { DownpourError, portionReplySchema, subjects } from '@downpour/contracts';
import type { RequestClient } from '@downpour/nats';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HeldTask, TaskQueue } from './ports.ts';

/** Beyond what the coordinator was asked to wait. */
const SILENCE_MS = 2000;
const TELL_TRIES = 3;

type Key = PortionRequest['finished'][number];

/** Portions of a sandblaster job, asked for of whoever coordinates it. Without a coordinator there are none: the next one will know. */
export class PortionQueue implements TaskQueue<ChunkTask> {
  readonly #requests: Pick<RequestClient, 'request'>;
  readonly #jobId: string;
  readonly #worker: string;
  /** Told with each wish, so that one whose answer was lost is given to somebody. */
  readonly #holding = new Set<Key>();

  constructor(requests: Pick<RequestClient, 'request'>, jobId: string, worker: string) {
    this.#requests = requests;
    this.#jobId = jobId;
    this.#worker = worker;
  }

  async next(waitMs: number): Promise<HeldTask<ChunkTask> | null> {
    const reply = await this.#ask({ waitMs, holding: [...this.#holding] });
    if (reply === null) await sleep(waitMs);
    const task = reply?.task;
    if (!task) return null;
    const key = { epoch: task.epoch, chunk: task.chunk };
    this.#holding.add(key);
    return {
      task,
      // A portion comes again in each evaluation, and to several workers: that says nothing of it.
      delivery: 1,
      done: () => this.#settle(key, { finished: [key] }),
      giveBack: () => this.#settle(key, { returned: [key] }),
    };
  }

  async close(): Promise<void> {}

  /** It counts as held until whoever coordinates knows better. */
  async #settle(key: Key, what: { finished?: Key[]; returned?: Key[] }): Promise<void> {
    try {
      await this.#tell(what);
    } finally {
      this.#holding.delete(key);
    }
  }

  async #tell(what: { finished?: Key[]; returned?: Key[] }): Promise<void> {
    for (let tries = 0; tries < TELL_TRIES; tries++) if ((await this.#ask({ waitMs: null, ...what })) !== null) return;
  }

  /** Null: nobody answers. */
  async #ask({
    waitMs,
    finished = [],
    returned = [],
    holding,
  }: Pick<PortionRequest, 'waitMs' | 'holding'> & {
    finished?: Key[];
    returned?: Key[];
  }): Promise<PortionReply | null> {
    const [jobId, worker] = [this.#jobId, this.#worker];
    const request = {
      ...{ type: 'portion', v: 1, jobId, worker, waitMs, finished, returned },
      ...(holding && { holding }),
    };
    const options = { timeoutMs: (waitMs ?? 0) + SILENCE_MS, reply: portionReplySchema };
    try {
      return (await this.#requests.request(subjects.portion(this.#jobId), request, undefined, options)).header;
    } catch (error) {
      if (error instanceof DownpourError && (error.code === 'unavailable' || error.code === 'timeout')) return null;
      throw error;
    }
  }
}
