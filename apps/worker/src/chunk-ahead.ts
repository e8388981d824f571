import type { ChunkTask } from '@downpour/contracts';
import { chunkBounds } from '@downpour/contracts';
import type { Examples, TakenChunk } from '@downpour/training';
import { chunkExamples } from './chunk-examples.ts';
import type { HeldTask, WorkerVerbs } from './ports.ts';
import type { ServedJob } from './served-job.ts';
import type { ServedJobs } from './served-jobs.ts';

/** How long one look at the queues waits: long when only one job can be waited for, short when others must be asked too. */
const WAIT_ALONE_MS = 1000;
const WAIT_SHARED_MS = 50;

/** A chunk in hand, its examples on their way. */
export interface HeldChunk {
  job: ServedJob;
  chunk: TakenChunk;
  /** Call once with the compute time it cost. */
  settleShare: (spentMs: number) => void;
}

/** Takes the next chunk of the most deserving job while the one before is trained: one ahead, never more. */
export class ChunkAhead {
  readonly #jobs: ServedJobs;
  readonly #verbs: WorkerVerbs;
  readonly #onProblem: (job: ServedJob, error: unknown) => void;
  #taking: Promise<void> | null = null;
  #held: HeldChunk | null = null;

  constructor(jobs: ServedJobs, verbs: WorkerVerbs, onProblem: (job: ServedJob, error: unknown) => void) {
    this.#jobs = jobs;
    this.#verbs = verbs;
    this.#onProblem = onProblem;
  }

  /** The chunk in hand, if there is one. */
  get held(): HeldChunk | null {
    return this.#held;
  }

  /** Takes it out of hand. */
  take(): HeldChunk | null {
    const held = this.#held;
    this.#held = null;
    return held;
  }

  /** Starts to look for a chunk, unless one is in hand or a look is under way; resolves when that look is over. */
  look(): Promise<void> {
    if (this.#held) return Promise.resolve();
    return (this.#taking ??= this.#take().finally(() => (this.#taking = null)));
  }

  /** Waits out the look under way and gives back what is in hand. */
  async letGo(): Promise<void> {
    await this.#taking;
    const held = this.take();
    if (!held) return;
    held.settleShare(0);
    await held.chunk.giveBack({ untried: true }).catch(() => undefined);
  }

  async #take(): Promise<void> {
    const jobs = this.#jobs.byDesert();
    const waitMs = jobs.length === 1 ? WAIT_ALONE_MS : WAIT_SHARED_MS;
    // First whoever has a chunk at once, in order of desert; then wait a little for each.
    for (const wait of [0, waitMs]) {
      for (const job of jobs) {
        if (!job.takesChunks) continue;
        try {
          const task = await job.use(async () => (await job.chunks()).next(wait));
          if (!task) continue;
          this.#held = this.#hold(job, task);
          return;
        } catch (error) {
          if (!job.abort.signal.aborted) this.#onProblem(job, error);
        }
      }
    }
  }

  #hold(job: ServedJob, held: HeldTask<ChunkTask>): HeldChunk {
    const { task } = held;
    const examples = this.#fetch(job, task);
    // Awaited when the chunk is trained; if it never is, nobody needs to know.
    examples.catch(() => undefined);
    const chunk: TakenChunk = {
      task,
      delivery: held.delivery,
      again: held.again === true || task.again === true,
      examples,
      done: () => held.done(),
      giveBack: (options) => held.giveBack(options),
    };
    return { job, chunk, settleShare: this.#jobs.share.begin(job.jobId) };
  }

  async #fetch(job: ServedJob, task: ChunkTask): Promise<Examples> {
    const { chunks } = job.plan;
    if (job.keepsExamples)
      return job.portions.get(task.chunk, () =>
        this.#verbs.fetchExamples(
          job.plan,
          { split: 'train', order: null, ...chunkBounds(chunks, task.chunk) },
          job.abort.signal,
        ),
      );
    return chunkExamples(this.#verbs, job.plan, task, job.abort.signal);
  }
}
