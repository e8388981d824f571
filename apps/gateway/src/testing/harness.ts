import type { JobRecord, JobSpecInput, Problem } from '@downpour/contracts';
import type { JobRepository } from '@downpour/jobs';
import { connectNats, EventBus, KvJobRepository, ObjectStore } from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import { createContext, startService } from '@downpour/platform';
import { startNatsServer, until } from '@downpour/testing';
import type { NatsServer } from '@downpour/testing';
import { gatewayService } from '../gateway.service-definition.ts';

export const SPEC: JobSpecInput = { model: { zoo: 'mlp' }, dataset: 'mnist' };

export interface Gateway {
  url: string;
  instance: string;
  app: Awaited<ReturnType<typeof startService>>['app'];
  stop(): Promise<void>;
}

/** A gateway in this process, over a real nats-server. */
export async function startGateway(natsUrl: string, env: Record<string, string> = {}): Promise<Gateway> {
  const definition = {
    ...gatewayService(),
    env: { NATS_URL: natsUrl, HTTP_PORT: '0', LOG_LEVEL: 'silent', EVENT_HEARTBEAT_MS: '200', ...env },
  };
  const { context, port, app, stop } = await startService(definition, createContext(definition));
  return { url: `http://127.0.0.1:${port}`, instance: context.instance, app, stop };
}

/** nats-server, a gateway, and a view of what they store. */
export class Harness {
  readonly nats: NatsServer;
  readonly gateway: Gateway;
  readonly link: NatsLink;
  readonly jobs: JobRepository;
  readonly events: EventBus;
  readonly objects: ObjectStore;

  private constructor(nats: NatsServer, gateway: Gateway, link: NatsLink) {
    this.nats = nats;
    this.gateway = gateway;
    this.link = link;
    this.jobs = new KvJobRepository(link);
    this.events = new EventBus(link);
    this.objects = new ObjectStore(link);
  }
  static async start(env: Record<string, string> = {}): Promise<Harness> {
    const nats = await startNatsServer();
    const gateway = await startGateway(nats.url, env);
    return new Harness(nats, gateway, await connectNats({ servers: nats.url }));
  }
  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.link.close();
    await this.nats.stop();
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(this.gateway.url + path, init);
  }
  post(body: unknown, path = '/v1/jobs'): Promise<Response> {
    return this.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }
  async submit(spec: JobSpecInput = SPEC): Promise<JobRecord> {
    const response = await this.post(spec);
    if (response.status !== 201) throw new Error(await response.text());
    return (await response.json()) as JobRecord;
  }
  /** Changes a stored job, however often the coordinator comes between. */
  async change(id: string, change: Partial<JobRecord>): Promise<void> {
    await until(`a change of ${id}`, async () => {
      const stored = await this.jobs.get(id);
      if (stored === null) return false;
      return this.jobs.update({ ...stored.value, ...change }, stored.revision).then(
        () => true,
        () => false,
      );
    });
  }
}

/** The problem document of an answer; checks what all of them must have. */
export async function problemOf(response: Response): Promise<Problem> {
  const type = response.headers.get('content-type') ?? '';
  const text = await response.text();
  if (!type.startsWith('application/problem+json')) throw new Error(`${response.status} ${type}: ${text}`);
  const problem = JSON.parse(text) as Problem;
  if (problem.status !== response.status) throw new Error(`${problem.status} in an answer of ${response.status}`);
  if (/\bat .*\.[jt]s:\d+/.test(text)) throw new Error(`A stack got out: ${text}`);
  return problem;
}
