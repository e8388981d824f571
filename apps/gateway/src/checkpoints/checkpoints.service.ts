import { json } from 'node:stream/consumers';
import type { CheckpointManifest, CheckpointSummary, DatasetSummary, JobRecord, JobSpec } from '@downpour/contracts';
import { checkpointManifestSchema, DownpourError, objects } from '@downpour/contracts';
import type { JobRepository } from '@downpour/jobs';
import { addCheckpoint, completeCheckpoint, isTerminal } from '@downpour/jobs';
import { modelTopology } from '@downpour/models/topology';
import { changeJob, findJob } from '../jobs/stored-jobs.ts';
import type { BlobStore } from '../ports.ts';
import { fieldProblem } from '../problems/problem-error.ts';
import { sameVariables } from './same-variables.ts';

/** A user who asks again and again is told so before the list fills up. */
const MOST_PENDING = 8;

/** Checkpoints as users see them. The coordinator has them written; this asks for them, hands them out, and checks jobs that are to begin from one. */
export class CheckpointsService {
  readonly #jobs: JobRepository;
  readonly #blobs: BlobStore;

  constructor(jobs: JobRepository, blobs: BlobStore) {
    this.#jobs = jobs;
    this.#blobs = blobs;
  }

  /** @throws DownpourError not-found */
  async list(id: string): Promise<CheckpointSummary[]> {
    return (await findJob(this.#jobs, id)).checkpoints;
  }

  /** @throws DownpourError not-found */
  async get(id: string, number: string): Promise<CheckpointSummary> {
    const found = (await this.list(id)).find((checkpoint) => String(checkpoint.number) === number);
    if (found !== undefined) return found;
    throw new DownpourError(
      'not-found',
      `Job ${id} has no checkpoint ${number}: GET /v1/jobs/${id}/checkpoints lists them`,
    );
  }

  /** Asks for one more. Of a job that is paused it is the one that was taken then. @throws DownpourError not-found, conflict */
  async request(id: string): Promise<CheckpointSummary> {
    const job = await changeJob(this.#jobs, id, (stored) => {
      checkRequest(stored);
      return stored.state === 'paused' ? stored : addCheckpoint(stored, 'requested', new Date().toISOString()).job;
    });
    const newest = job.state === 'paused' ? completeCheckpoint(job) : job.checkpoints.at(-1);
    if (newest != null) return newest;
    throw new DownpourError('conflict', `Job ${id} is paused and has no checkpoint: resume it first`);
  }

  /** Bytes of one of its files. @throws DownpourError not-found; conflict when it is not written */
  async file(
    id: string,
    number: string,
    name: 'model.safetensors' | 'manifest.json',
  ): Promise<{ bytes: number; stream: AsyncIterable<Uint8Array> }> {
    const { state, number: n, reason } = await this.get(id, number);
    if (state !== 'complete')
      throw new DownpourError(
        'conflict',
        state === 'pending'
          ? `Checkpoint ${n} of job ${id} is being written: ask again in a moment`
          : `Checkpoint ${n} of job ${id} was not written: ${reason ?? 'it failed'}`,
      );
    return this.#blobs.getStream(
      name === 'manifest.json' ? objects.checkpointManifest(id, n) : objects.checkpointModel(id, n),
    );
  }

  /**
   * The spec with the number of the checkpoint that the job begins from, if it does. What can be said without building the model is checked here;
   * the rest when the job is prepared.
   * @throws ProblemError 422 when there is no such checkpoint, it is of another model, or nothing remains to be trained
   */
  async resolve(spec: JobSpec, dataset: DatasetSummary): Promise<JobSpec> {
    await this.#checkWeights(spec);
    const field = spec.resumeFrom === undefined ? 'warmStartFrom' : 'resumeFrom';
    const source = spec[field];
    if (source === undefined) return spec;
    const job = await findJob(this.#jobs, source.job).catch(() => null);
    if (job === null) throw fieldProblem(422, `${field}.job`, `There is no job ${source.job}: GET /v1/jobs lists them`);
    const checkpoint = completeCheckpoint(job, source.checkpoint);
    if (checkpoint === null) throw fieldProblem(422, `${field}.checkpoint`, lacking(job, source.checkpoint));
    if (field === 'resumeFrom' && checkpoint.epoch >= spec.epochs)
      throw fieldProblem(
        422,
        'epochs',
        `Checkpoint ${checkpoint.number} of job ${job.id} has ${checkpoint.epoch} epochs: nothing remains of ${spec.epochs}. ` +
          '`epochs` counts from the beginning of the first job: ask for more, or use warmStartFrom',
      );
    const { spec: first, dataset: theirs } = await this.#manifest(job.id, checkpoint.number);
    const difference = sameVariables(modelTopology(first.model, theirs.summary), modelTopology(spec.model, dataset));
    if (difference !== null)
      throw fieldProblem(
        422,
        field,
        `Job ${job.id} has trained another model: ${difference}. A job that begins from its checkpoint must have the same variables`,
      );
    return { ...spec, [field]: { job: job.id, checkpoint: checkpoint.number } };
  }

  async #checkWeights({ initialWeights: id }: JobSpec): Promise<void> {
    if (id === undefined || (await this.#blobs.exists(objects.weights(id)))) return;
    throw fieldProblem(422, 'initialWeights', `There are no weights ${id} (any more): POST /v1/weights uploads them`);
  }

  async #manifest(id: string, number: number): Promise<CheckpointManifest> {
    const { stream } = await this.#blobs.getStream(objects.checkpointManifest(id, number));
    return checkpointManifestSchema.parse(await json(stream));
  }
}

function checkRequest({ id, state, checkpoints }: JobRecord): void {
  const say = (what: string) => new DownpourError('conflict', `Job ${id} ${what}`);
  if (isTerminal(state)) throw say(`has ${state} already: GET /v1/jobs/${id}/checkpoints lists what it left`);
  if (state === 'queued' || state === 'preparing') throw say(`is ${state}: there is nothing to write yet`);
  if (state === 'finishing') throw say('is about to end: its last checkpoint is being written');
  if (checkpoints.filter((checkpoint) => checkpoint.state === 'pending').length >= MOST_PENDING)
    throw say(`has ${MOST_PENDING} checkpoints that are not written yet: wait for them`);
}

function lacking({ id, checkpoints }: JobRecord, number: number | undefined): string {
  const complete = checkpoints.filter(({ state }) => state === 'complete').map((checkpoint) => checkpoint.number);
  if (complete.length === 0)
    return `Job ${id} has no checkpoint yet: POST /v1/jobs/${id}/checkpoints takes one while it trains`;
  return `Job ${id} has no checkpoint ${number} (any more): it has ${complete.join(', ')}`;
}
