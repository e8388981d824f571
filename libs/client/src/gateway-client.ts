import { setTimeout as sleep } from 'node:timers/promises';
import { TERMINAL_STATES } from '@downpour/contracts';
import type {
  CheckpointManifest,
  CheckpointSummary,
  Cluster,
  DatasetRecord,
  DatasetSpec,
  JobEvent,
  JobLedger,
  JobRecord,
  JobSpecInput,
  JobState,
  Member,
  ModelGraph,
  Problem,
  WeightsRecord,
} from '@downpour/contracts';
import { GatewayError } from './gateway-error.ts';
import { readEvents } from './read-events.ts';

type StrategyInput = NonNullable<JobSpecInput['strategy']>;

export interface WaitOptions {
  onChange?: (job: JobRecord) => void;
  signal?: AbortSignal;
  pollMs?: number;
}

/** Downpour's HTTP API. Every method throws GatewayError when the gateway says no. */
export class GatewayClient {
  private readonly url: string;
  constructor(url: string) {
    this.url = url;
  }

  async members(): Promise<Member[]> {
    const { members } = await this.json<Cluster>('/v1/cluster', { signal: AbortSignal.timeout(2000) });
    return members.filter((member) => !member.draining);
  }

  submit(spec: JobSpecInput): Promise<JobRecord> {
    return this.json('/v1/jobs', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(spec),
    });
  }

  /** Waits for the job to end; `onChange` sees each record on the way. A gateway that is being replaced is waited for. */
  untilTerminal(id: string, options: WaitOptions = {}): Promise<JobRecord> {
    return this.untilState(id, [], options);
  }

  /** As `untilTerminal`, or until it is in one of these states. */
  async untilState(id: string, states: readonly JobState[], options: WaitOptions = {}): Promise<JobRecord> {
    for (;;) {
      options.signal?.throwIfAborted();
      const job = await this.job(id).catch((error: unknown) => {
        if (error instanceof GatewayError && error.status === 404) throw error;
        return null;
      });
      if (job) {
        options.onChange?.(job);
        if (TERMINAL_STATES.includes(job.state) || states.includes(job.state)) return job;
      }
      await sleep(options.pollMs ?? 500, undefined, options.signal ? { signal: options.signal } : {});
    }
  }

  job(id: string): Promise<JobRecord> {
    return this.json(`/v1/jobs/${id}`);
  }

  /** The account of the job's pushes: per shard, and summed up. */
  ledger(id: string): Promise<JobLedger> {
    return this.json(`/v1/jobs/${id}/ledger`);
  }

  /** How the model of a job with `partitions` is cut. */
  graph(id: string): Promise<ModelGraph> {
    return this.json(`/v1/jobs/${id}/graph`);
  }

  async unfinishedJobs(): Promise<JobRecord[]> {
    const { jobs } = await this.json<{ jobs: JobRecord[] }>('/v1/jobs');
    return jobs.filter((job) => !TERMINAL_STATES.includes(job.state));
  }

  /**
   * Uploads a data set: `spec` as in POST /v1/datasets, `files` by form field.
   */
  async upload(spec: DatasetSpec, files: Record<string, Blob>): Promise<DatasetRecord> {
    const form = new FormData();
    form.append('spec', JSON.stringify(spec));
    for (const [field, blob] of Object.entries(files)) form.append(field, blob, field);
    return this.json<DatasetRecord>('/v1/datasets', { method: 'POST', body: form });
  }

  /** A safetensors file, for `initialWeights` of jobs. */
  uploadWeights(file: Blob): Promise<WeightsRecord> {
    const headers = { 'content-type': 'application/octet-stream' };
    return this.json('/v1/weights', { method: 'POST', headers, body: file });
  }

  async deleteWeights(id: string): Promise<void> {
    await this.call(`/v1/weights/${id}`, { method: 'DELETE' });
  }

  async cancel(id: string): Promise<void> {
    await this.call(`/v1/jobs/${id}/cancel`, { method: 'POST', signal: AbortSignal.timeout(3000) });
  }

  /** The job is on its way to `paused` when this resolves: `untilState` waits for it. */
  pause(id: string): Promise<JobRecord> {
    return this.json(`/v1/jobs/${id}/pause`, { method: 'POST' });
  }

  /** The job is in line again when this resolves. */
  resume(id: string): Promise<JobRecord> {
    return this.json(`/v1/jobs/${id}/resume`, { method: 'POST' });
  }

  /** Workers follow the strategy from their next chunk on. */
  switchStrategy(id: string, strategy: StrategyInput): Promise<JobRecord> {
    return this.json(`/v1/jobs/${id}/strategy`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(strategy),
    });
  }

  /** Asks for a checkpoint; it is `pending` when this resolves. */
  takeCheckpoint(id: string): Promise<CheckpointSummary> {
    return this.json(`/v1/jobs/${id}/checkpoints`, { method: 'POST' });
  }

  /** Newest last. */
  async checkpoints(id: string): Promise<CheckpointSummary[]> {
    return (await this.json<{ checkpoints: CheckpointSummary[] }>(`/v1/jobs/${id}/checkpoints`)).checkpoints;
  }

  checkpointManifest(id: string, number: number): Promise<CheckpointManifest> {
    return this.json(`/v1/jobs/${id}/checkpoints/${number}/manifest.json`);
  }

  /** model.safetensors of a checkpoint, as it comes. */
  async checkpointModel(id: string, number: number): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.call(`/v1/jobs/${id}/checkpoints/${number}/model.safetensors`);
    return body as ReadableStream<Uint8Array>;
  }

  async model(id: string): Promise<Uint8Array> {
    return new Uint8Array(await (await this.call(`/v1/jobs/${id}/model`)).arrayBuffer());
  }

  /** Events from the first on; ends when the job has ended or the connection breaks (the caller polls the job as well). Job.events goes on. */
  async *events(id: string, signal: AbortSignal): AsyncGenerator<JobEvent> {
    const response = await this.openEvents(id, 0, signal);
    for await (const { event } of readEvents(response)) yield event;
  }

  /** The stream of a job's events behind that number. */
  openEvents(id: string, after: number, signal: AbortSignal): Promise<Response> {
    return this.call(`/v1/jobs/${id}/events`, { signal, headers: { 'last-event-id': String(after) } });
  }

  private async json<T>(path: string, init?: RequestInit): Promise<T> {
    return (await (await this.call(path, init)).json()) as T;
  }

  private async call(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(this.url + path, init);
    if (response.ok) return response;
    throw new GatewayError(response.status, (await response.json().catch(() => ({}))) as Partial<Problem>);
  }
}
