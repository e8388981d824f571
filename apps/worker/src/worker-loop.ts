import type { EvaluateTask } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { Logger } from '@downpour/platform';
import type { ChunkAhead, HeldChunk } from './chunk-ahead.ts';
import type { Evaluator } from './evaluator.ts';
import type { HeldTask, TaskQueue, WorkerVerbs } from './ports.ts';
import { isDeterministic, MAX_DELIVERIES, poisonChunk, problemEvent } from './problems.ts';
import type { Problem } from './problems.ts';
import type { ServedJob } from './served-job.ts';
import type { WorkerMetrics } from './worker.metrics.ts';

/** How long one look at the evaluation queue waits: a worker that leaves waits out the last one, for it may bring a task. */
const EVALUATION_WAIT_MS = 1000;
/** Pause when no job has a chunk, and none can be waited for. A new plan or evaluation ends it. */
const IDLE_MS = 200;
/** How soon the next evaluation is asked for after one is done. */
const HELD_MS = 20;
/** Pause after a queue could not be asked. */
const RETRY_MS = 1000;

export interface WorkerLoopParts {
  instance: string;
  ahead: ChunkAhead;
  evaluator: Evaluator;
  evaluations: TaskQueue<EvaluateTask>;
  verbs: WorkerVerbs;
  metrics: WorkerMetrics;
  log: Logger;
}

/**
 * What a worker does all day, one thing at a time, for TensorFlow has one thread here: an evaluation if one is wanted, else a chunk of the
 * job it has spent least time on. The next chunk is looked for while this one is trained, and the chunk before is acknowledged
 * meanwhile.
 *
 * A chunk ends in one of four ways: trained and acknowledged; given back because the job ended or the worker leaves; given back because a
 * step failed, with a problem event (fatal if it would fail again); or left alone because it was given out too often.
 */
export class WorkerLoop {
  readonly #parts: WorkerLoopParts;
  readonly #stop = new AbortController();
  readonly #unsettled = new Set<Promise<unknown>>();
  #stopping = false;
  #evaluation: HeldTask<EvaluateTask> | null = null;
  #wake: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #takingEvaluations: Promise<void> = Promise.resolve();

  constructor(parts: WorkerLoopParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#run();
    this.#takingEvaluations = this.#takeEvaluations();
  }

  /** Something has changed that the loop may be waiting for. */
  wake(): void {
    this.#wake();
  }

  /** Takes nothing new. */
  stopIntake(): void {
    this.#stopping = true;
    this.wake();
  }

  /** Finishes what is in hand; what takes longer than `graceMs` is stopped between two steps and given back. */
  async finish(graceMs: number): Promise<void> {
    this.stopIntake();
    const timer = setTimeout(() => this.#stop.abort(new Error('This worker is leaving')), graceMs);
    try {
      await this.#running;
      await Promise.all([this.#parts.ahead.letGo(), this.#takingEvaluations]);
      await this.#evaluation?.giveBack().catch(() => undefined);
      await Promise.allSettled([...this.#unsettled]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #run(): Promise<void> {
    const { ahead } = this.#parts;
    while (!this.#stopping) {
      const evaluation = this.#evaluation;
      if (evaluation) {
        await this.#evaluate(evaluation);
        this.#evaluation = null;
        this.wake();
        continue;
      }
      const held = ahead.take();
      if (held) {
        if (!held.job.inStep) void ahead.look();
        await this.#train(held);
        continue;
      }
      const began = performance.now();
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      if (this.#evaluation || this.#stopping) continue;
      await Promise.race([ahead.look(), woken]);
      if (ahead.held) this.#parts.metrics.chunkWait(performance.now() - began);
      else await Promise.race([woken, pause(IDLE_MS)]);
    }
  }

  async #train(held: HeldChunk): Promise<void> {
    const { job, chunk } = held;
    const { instance, metrics, log, verbs } = this.#parts;
    let spentMs = 0;
    try {
      if (!job.takesChunks) return await chunk.giveBack({ untried: true });
      if (chunk.delivery > MAX_DELIVERIES) {
        await this.#report(job, poisonChunk(instance, chunk.task, chunk.delivery));
        return await chunk.giveBack();
      }
      const outcome = await job.use(async () => {
        const downpour = await this.#opened(held);
        return downpour?.trainChunk(chunk, {
          stop: AbortSignal.any([this.#stop.signal, job.rest]),
          more: () => this.#parts.ahead.held?.job === job,
        });
      });
      if (!outcome) return;
      if (outcome.kind === 'given-back') {
        spentMs = outcome.computeMs;
        metrics.chunk('given-back');
        return;
      }
      spentMs = outcome.report.computeMs;
      metrics.trained(outcome.report);
      if (!job.keepsExamples) verbs.giveBackExamples(await chunk.examples);
      this.#track(
        job
          .use(() => outcome.settled)
          .then(
            (end) => {
              metrics.chunk(end);
              job.succeeded();
            },
            (error: unknown) => this.#failed(held, error),
          ),
      );
    } catch (error) {
      if (job.abort.signal.aborted) log.debug({ err: error, job: job.jobId }, 'A chunk was dropped: its job is over');
      else await this.#failed(held, error);
    } finally {
      held.settleShare(spentMs);
    }
  }

  /** The job's replica; when it cannot be opened the chunk goes back and the error is thrown. */
  async #opened({ job, chunk }: HeldChunk) {
    try {
      return await job.loop();
    } catch (error) {
      await chunk.giveBack().catch(() => undefined);
      throw error;
    }
  }

  async #failed({ job, chunk }: HeldChunk, error: unknown): Promise<void> {
    const { metrics, instance, log } = this.#parts;
    job.failed();
    // The job's plan, queue or log is gone, and the word of it is on its way.
    if (error instanceof DownpourError && error.code === 'not-found') {
      metrics.chunk('given-back');
      log.debug({ err: error, job: job.jobId }, 'A chunk was dropped: its job seems to be over');
      return;
    }
    metrics.chunk('failed');
    log.error({ err: error, job: job.jobId, epoch: chunk.task.epoch, chunk: chunk.task.chunk }, 'A chunk failed');
    await this.#report(job, problemEvent(instance, error, chunk.task, isDeterministic(error)));
  }

  async #report(job: ServedJob, problem: Problem): Promise<void> {
    if (problem.fatal) job.condemned = true;
    try {
      await this.#parts.verbs.publish(job.jobId, problem);
    } catch (error) {
      // Nobody has heard: the next try of the chunk, here or elsewhere, says it again.
      job.condemned = false;
      this.#parts.log.warn({ err: error, job: job.jobId }, 'A problem could not be reported');
    }
  }

  async #evaluate(held: HeldTask<EvaluateTask>): Promise<void> {
    const { evaluator, log, metrics } = this.#parts;
    try {
      await evaluator.evaluate(held, this.#stop.signal);
      metrics.evaluation('done');
    } catch (error) {
      metrics.evaluation('failed');
      log.error({ err: error, job: held.task.jobId }, 'An evaluation failed');
    }
  }

  /** Keeps at most one evaluation in hand, so that the loop finds it between two chunks. */
  async #takeEvaluations(): Promise<void> {
    const { evaluations, log } = this.#parts;
    while (!this.#stopping) {
      try {
        const task = await evaluations.next(EVALUATION_WAIT_MS);
        if (this.#stopping) return void (await task?.giveBack());
        this.#evaluation = task;
      } catch (error) {
        log.warn({ err: error }, 'The evaluation queue could not be asked: trying again');
        await pause(RETRY_MS);
      }
      if (!this.#evaluation) continue;
      this.wake();
      while (this.#evaluation && !this.#stopping) await pause(HELD_MS);
    }
  }

  #track(work: Promise<unknown>): void {
    const tracked = work.finally(() => this.#unsettled.delete(tracked));
    this.#unsettled.add(tracked);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
