import type { ChunkTask, EnqueueEpochRequest } from '@downpour/contracts';
import { chunksInEpoch, DownpourError } from '@downpour/contracts';
import type { DatasetsService } from './datasets.service.ts';
import type { OrderCache } from './order-cache.ts';
import type { ChunkQueuePort, PlanReader } from './ports.ts';

/** Deals out epochs: every chunk of one goes into the job's work queue. */
export class EpochsService {
  readonly #plans: PlanReader;
  readonly #queue: ChunkQueuePort;
  readonly #datasets: DatasetsService;
  readonly #orders: OrderCache;

  constructor(plans: PlanReader, queue: ChunkQueuePort, datasets: DatasetsService, orders: OrderCache) {
    this.#plans = plans;
    this.#queue = queue;
    this.#datasets = datasets;
    this.#orders = orders;
  }

  /**
   * Safe to repeat: the queue drops a task that it has had. The tasks are in order, for the epoch's permutation has shuffled what
   * stands behind their numbers.
   * @returns chunks of the epoch that are to be trained
   * @throws DownpourError not-found when the job does not run, conflict when it is finishing, invalid-request
   */
  async enqueue({ jobId, epoch }: Pick<EnqueueEpochRequest, 'jobId' | 'epoch'>): Promise<number> {
    const plan = await this.#plans.plan(jobId);
    if (plan === null) throw new DownpourError('not-found', `Job ${jobId} has no plan: it does not run`);
    if (plan.phase !== 'training') {
      throw new DownpourError('conflict', `Job ${jobId} is ${plan.phase}: it takes no more chunks`);
    }
    if (epoch >= plan.chunks.epochs) {
      throw new DownpourError('invalid-request', `Epoch ${epoch} asked for; job ${jobId} has ${plan.chunks.epochs}`, {
        field: 'epoch',
      });
    }
    this.#warm(plan.dataset.id, plan.chunks.seed, epoch, plan.chunks.examples);
    const chunks = chunksInEpoch(plan.chunks);
    // A job that begins from another's checkpoint goes on in the middle of an epoch.
    const done = plan.origin?.done.find((part) => part.epoch === epoch)?.chunks;
    const bits = Buffer.from(done ?? '', 'base64');
    const isDone = (chunk: number): boolean => ((bits[chunk >> 3] ?? 0) & (1 << (chunk & 7))) !== 0;
    const tasks = Array.from({ length: chunks }, (_, chunk): ChunkTask => ({
      type: 'chunk',
      v: 1,
      jobId,
      epoch,
      chunk,
    })).filter(({ chunk }) => !isDone(chunk));
    await this.#queue.enqueue(jobId, tasks);
    return tasks.length;
  }

  /** Workers will ask for examples in a moment: have them ready. What goes wrong is told to the worker that asks. */
  #warm(datasetId: string, seed: number, epoch: number, examples: number): void {
    this.#datasets.byId(datasetId).then(
      () => this.#orders.order(seed, epoch, examples),
      () => undefined,
    );
  }
}
