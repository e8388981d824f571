import type { JobEvent, JobRecord, JobSpecInput, Role } from '@downpour/contracts';
import { jobSpecSchema, TERMINAL_STATES } from '@downpour/contracts';
import { builtInSummary, isBuiltIn } from '@downpour/datasets';
import { Coordinator, newJob } from '@downpour/jobs';
import {
  ChunkQueues,
  connectNats,
  ensureInfrastructure,
  EvaluationQueue,
  EventBus,
  KvJobRepository,
  KvPlanRepository,
  Membership,
  NatsCoordinatorPort,
  ObjectStore,
  RequestClient,
} from '@downpour/nats';
import type { NatsServer } from '@downpour/testing';
import { startNatsServer } from '@downpour/testing';
import { ServiceProcess } from './service-process.ts';

const silent = () => undefined;
const QUIET = { info: silent, warn: silent, error: silent, debug: silent };

/** A cluster without a gateway: real NATS, shards, workers and sharders as processes, the coordinator in the test's own. */
export class BareCluster {
  readonly nats: NatsServer;
  readonly processes: ServiceProcess[] = [];
  readonly store: ObjectStore;
  readonly #jobs: KvJobRepository;
  readonly #events: EventBus;
  readonly #end: () => Promise<void>;
  #jobCount = 0;

  private constructor(
    nats: NatsServer,
    parts: { jobs: KvJobRepository; events: EventBus; store: ObjectStore; end: () => Promise<void> },
  ) {
    this.nats = nats;
    this.#jobs = parts.jobs;
    this.#events = parts.events;
    this.store = parts.store;
    this.#end = parts.end;
  }

  static async start(options: { maxPayloadBytes?: number } = {}): Promise<BareCluster> {
    const nats = await startNatsServer(options);
    const link = await connectNats({ servers: nats.url, name: 'e2e' });
    await ensureInfrastructure(link);
    const membership = await Membership.start(link);
    const requests = new RequestClient(link);
    const [jobs, plans] = [new KvJobRepository(link), new KvPlanRepository(link)];
    const [events, chunks, evaluations, objects] = [
      new EventBus(link),
      new ChunkQueues(link),
      new EvaluationQueue(link),
      new ObjectStore(link),
    ];
    const cluster = new NatsCoordinatorPort({ link, requests, membership, events, chunks, evaluations, objects });
    const datasets = { summary: async (id: string) => (isBuiltIn(id) ? builtInSummary(id) : null) };
    const coordinator = new Coordinator({ jobs, plans, cluster, events, datasets, clock: Date, log: QUIET });
    await coordinator.start();
    membership.onChange(() => coordinator.poke());
    const end = async () => {
      await coordinator.stop();
      await membership.stop();
      requests.close();
      await link.close();
    };
    return new BareCluster(nats, { jobs, events, store: objects, end });
  }

  /** Starts processes of one role and waits until they are ready. */
  async add(role: Role, count: number, env: Record<string, string> = {}): Promise<ServiceProcess[]> {
    const started = Array.from(
      { length: count },
      () => new ServiceProcess(role, { NATS_URL: this.nats.url, INSTANCE_NAME: role, ...env }),
    );
    this.processes.push(...started);
    await Promise.all(started.map((process) => process.ready()));
    return started;
  }

  async submit(spec: JobSpecInput): Promise<string> {
    const id = `job-${++this.#jobCount}`;
    await this.#jobs.create(newJob(id, jobSpecSchema.parse(spec), new Date().toISOString()));
    return id;
  }

  async job(id: string): Promise<JobRecord> {
    const job = await this.#jobs.get(id);
    if (!job) throw new Error(`There is no job ${id}`);
    return job.value;
  }

  follow(id: string, onEvent: (event: JobEvent) => void): Promise<() => void> {
    return this.#events.follow(id, 0, onEvent);
  }

  /** Resolves with the job's record once it has ended. @throws Error with the logs of all processes after `timeoutMs` */
  async untilEnded(id: string, timeoutMs = 240_000): Promise<JobRecord> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const job = await this.job(id);
      if (TERMINAL_STATES.includes(job.state)) return job;
      if (performance.now() > deadline) {
        throw new Error(`Job ${id} is ${job.state} (${job.reason}) after ${timeoutMs} ms\n${this.logs()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** The end of every process's log. */
  logs(): string {
    return this.processes.map(({ role, pid, log }) => `--- ${role} ${pid}\n${log.slice(-4000)}`).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.stop()));
    await this.#end();
    await this.nats.stop();
  }
}
