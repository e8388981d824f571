import { chunkTaskSchema, streams, subjects } from '@downpour/contracts';
import type { ChunkTask } from '@downpour/contracts';
import type { NatsLink } from '../link/nats-link.ts';
import { WorkQueue } from './work-queue.ts';
import type { HeldTask } from './work-queue.ts';

/** The work queue of one job's chunks. */
export class ChunkQueue {
  readonly #queue: WorkQueue<ChunkTask>;
  readonly #subject: string;

  constructor(link: NatsLink, jobId: string) {
    this.#subject = subjects.chunk(jobId);
    this.#queue = new WorkQueue(link, {
      stream: streams.chunks(jobId),
      source: 'chunk-queue',
      filter: this.#subject,
      schema: chunkTaskSchema,
    });
  }

  /** As WorkQueue.next. */
  next(waitMs: number): Promise<HeldTask<ChunkTask> | null> {
    return this.#queue.next(waitMs);
  }

  /** Adds chunks; one that was added before (within an hour) is not added again. */
  enqueue(tasks: readonly ChunkTask[]): Promise<void> {
    return this.#queue.enqueue(
      tasks.map((task) => ({ id: `${task.epoch}.${task.chunk}`, subject: this.#subject, task })),
    );
  }

  /** Adds chunks whether they were added before or not: their pushes got lost. */
  enqueueAgain(tasks: readonly ChunkTask[]): Promise<void> {
    const round = Date.now().toString(36);
    return this.#queue.enqueue(
      tasks.map((task) => ({ id: `${task.epoch}.${task.chunk}.${round}`, subject: this.#subject, task })),
    );
  }

  pending(): Promise<number> {
    return this.#queue.pending();
  }

  purge(): Promise<void> {
    return this.#queue.purge();
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}

/** Opens the chunk queue of any job. */
export class ChunkQueues {
  readonly #link: NatsLink;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  open(jobId: string): ChunkQueue {
    return new ChunkQueue(this.#link, jobId);
  }
}
