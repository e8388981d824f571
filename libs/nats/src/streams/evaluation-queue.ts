import { evaluateTaskSchema, streams, subjects } from '@downpour/contracts';
import type { EvaluateTask } from '@downpour/contracts';
import type { NatsLink } from '../link/nats-link.ts';
import { WorkQueue } from './work-queue.ts';
import type { HeldTask } from './work-queue.ts';

/** Evaluations of all jobs: one queue, whoever is free takes the next. */
export class EvaluationQueue {
  readonly #queue: WorkQueue<EvaluateTask>;

  constructor(link: NatsLink) {
    this.#queue = new WorkQueue(link, {
      stream: streams.evaluations,
      source: 'evaluation-queue',
      filter: subjects.evaluate('*'),
      schema: evaluateTaskSchema,
    });
  }

  /** As WorkQueue.next. */
  next(waitMs: number): Promise<HeldTask<EvaluateTask> | null> {
    return this.#queue.next(waitMs);
  }

  /** Adds it, unless the same one was added within the last two minutes. */
  enqueue(task: EvaluateTask): Promise<void> {
    const id = `${task.jobId}.${task.epoch}.${task.final ? 'final' : 'interim'}`;
    return this.#queue.enqueue([{ id, subject: subjects.evaluate(task.jobId), task }]);
  }

  /** Forgets a job's evaluations. */
  purge(jobId: string): Promise<void> {
    return this.#queue.purge(subjects.evaluate(jobId));
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}
