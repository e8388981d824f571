import { createParser } from 'eventsource-parser';
import type { Cluster, JobEvent, JobRecord, JobSpecInput, Member, Problem } from '@downpour/contracts';

/** The gateway said no: its problem document as a message. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly status: number;
  constructor(status: number, problem: Partial<Problem>) {
    const fields = (problem.errors ?? []).map(({ field, message }) => `\n  ${field}: ${message}`).join('');
    super(`${problem.detail ?? problem.title ?? `HTTP ${status}`}${fields}`);
    this.status = status;
  }
}

/** The HTTP API, as far as the launcher needs it. */
export class GatewayClient {
  private readonly url: string;
  constructor(url: string) {
    this.url = url;
  }

  async members(): Promise<Member[]> {
    const response = await this.call('/v1/cluster', { signal: AbortSignal.timeout(2000) });
    return ((await response.json()) as Cluster).members.filter((member) => !member.draining);
  }

  async submit(spec: JobSpecInput): Promise<JobRecord> {
    const response = await this.call('/v1/jobs', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(spec),
    });
    return (await response.json()) as JobRecord;
  }

  async job(id: string): Promise<JobRecord> {
    return (await (await this.call(`/v1/jobs/${id}`)).json()) as JobRecord;
  }

  async unfinishedJobs(): Promise<JobRecord[]> {
    const { jobs } = (await (await this.call('/v1/jobs')).json()) as { jobs: JobRecord[] };
    return jobs.filter((job) => !['succeeded', 'failed', 'cancelled'].includes(job.state));
  }

  async cancel(id: string): Promise<void> {
    await this.call(`/v1/jobs/${id}/cancel`, { method: 'POST', signal: AbortSignal.timeout(3000) });
  }

  async model(id: string): Promise<Uint8Array> {
    return new Uint8Array(await (await this.call(`/v1/jobs/${id}/model`)).arrayBuffer());
  }

  /** Events from the first on; ends when the job has ended or the connection breaks (the caller polls the job as well). */
  async *events(id: string, signal: AbortSignal): AsyncGenerator<JobEvent> {
    const response = await this.call(`/v1/jobs/${id}/events`, { signal });
    const ready: JobEvent[] = [];
    const parser = createParser({ onEvent: ({ data }) => ready.push(JSON.parse(data) as JobEvent) });
    const decoder = new TextDecoder();
    for await (const bytes of response.body ?? []) {
      parser.feed(decoder.decode(bytes as Uint8Array, { stream: true }));
      yield* ready.splice(0);
    }
  }

  private async call(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(this.url + path, init);
    if (response.ok) return response;
    throw new GatewayError(response.status, (await response.json().catch(() => ({}))) as Partial<Problem>);
  }
}
