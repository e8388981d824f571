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

  constructor(requests: Pick<RequestClient, 'request'>, jobId: string, worker: string) {
    this.#requests = requests;
    this.#jobId = jobId;
    this.#worker = worker;
  }

  async next(waitMs: number): Promise<HeldTask<ChunkTask> | null> {
    const reply = await this.#ask({ waitMs });
    if (reply === null) await sleep(waitMs);
    const task = reply?.task;
    if (!task) return null;
    const key = { epoch: task.epoch, chunk: task.chunk };
    return {
      task,
      // A portion comes again in each evaluation, and to several workers: that says nothing of it.
      delivery: 1,
      done: () => this.#tell({ finished: [key] }),
      giveBack: () => this.#tell({ returned: [key] }),
    };
  }

  async close(): Promise<void> {}

  async #tell(what: { finished?: Key[]; returned?: Key[] }): Promise<void> {
    for (let tries = 0; tries < TELL_TRIES; tries++) if ((await this.#ask({ waitMs: null, ...what })) !== null) return;
  }

  /** Null: nobody answers. */
  async #ask({
    waitMs,
    finished = [],
    returned = [],
  }: Pick<PortionRequest, 'waitMs'> & { finished?: Key[]; returned?: Key[] }): Promise<PortionReply | null> {
    const request = { type: 'portion', v: 1, jobId: this.#jobId, worker: this.#worker, waitMs, finished, returned };
    const options = { timeoutMs: (waitMs ?? 0) + SILENCE_MS, reply: portionReplySchema };
    try {
      return (await this.#requests.request(subjects.portion(this.#jobId), request, undefined, options)).header;
    } catch (error) {
      if (error instanceof DownpourError && (error.code === 'unavailable' || error.code === 'timeout')) return null;
      throw error;
    }
  }
}
