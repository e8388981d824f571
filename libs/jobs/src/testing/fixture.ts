import type { JobPlan, JobRecord, JobSpecInput } from '@downpour/contracts';
import { jobSpecSchema } from '@downpour/contracts';
import { Coordinator } from '../coordinator.ts';
import type { CoordinatorOptions } from '../coordinator-options.ts';
import { newJob } from '../job-record.ts';
import { moveTo } from '../job-state.ts';
import { FakeCluster } from './fake-cluster.ts';
import { MemoryEvents, MemoryJobRepository, MemoryPlanRepository } from './memory-stores.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A coordinator over fakes; nothing happens unless the test says `tick`. */
export class Fixture {
  readonly jobs = new MemoryJobRepository();
  readonly plans = new MemoryPlanRepository();
  readonly events = new MemoryEvents();
  readonly cluster = new FakeCluster(this.events, this.plans);
  coordinator: Coordinator;
  readonly #options: Partial<CoordinatorOptions>;

  constructor(options: Partial<CoordinatorOptions> = {}) {
    this.#options = options;
    this.coordinator = this.#newCoordinator();
  }
  /** One of each role. */
  static async withMembers(options: Partial<CoordinatorOptions> = {}): Promise<Fixture> {
    const fixture = new Fixture(options);
    fixture.cluster.join('worker', 'w1');
    fixture.cluster.join('parameter-shard', 's1', 's2');
    fixture.cluster.join('data-sharder', 'd1');
    await fixture.coordinator.start();
    return fixture;
  }
  #newCoordinator(): Coordinator {
    const { jobs, plans, events, cluster } = this;
    return new Coordinator(
      { jobs, plans, cluster, events, datasets: cluster, clock: cluster.clock, log: silent },
      { tickMs: 0, ...this.#options },
    );
  }

  /** 1,000 examples in batches of 10, chunks of 100: 10 chunks and 100 pushes an epoch, unless `spec` says otherwise. */
  async submit(id: string, spec: Partial<JobSpecInput> = {}): Promise<void> {
    const parsed = jobSpecSchema.parse({
      shards: 2,
      model: { zoo: 'logistic' },
      dataset: 'mnist',
      batchSize: 10,
      chunkSize: 100,
      epochs: 2,
      ...spec,
    });
    await this.jobs.create(newJob(id, parsed, this.cluster.at));
  }
  async cancel(id: string): Promise<void> {
    const stored = await this.jobs.get(id);
    if (stored === null) throw new Error(id);
    await this.jobs.update(moveTo(stored.value, 'cancelled', this.cluster.at), stored.revision);
  }
  async job(id: string): Promise<JobRecord> {
    const stored = await this.jobs.get(id);
    if (stored === null) throw new Error(`No job ${id}`);
    return stored.value;
  }
  plan(id: string): JobPlan {
    const plan = this.plans.peek(id);
    if (plan === null) throw new Error(`No plan of ${id}`);
    return plan;
  }
  async tick(advanceMs = 500): Promise<void> {
    this.cluster.nowMs += advanceMs;
    await this.coordinator.tick();
  }
  /** The coordinator dies without a word; another one takes over. */
  async replaceCoordinator(): Promise<void> {
    await this.coordinator.stop();
    this.coordinator = this.#newCoordinator();
    await this.coordinator.start();
  }
  /** Workers do everything there is to do, until the job ends. */
  async runToEnd(id: string, limit = 200): Promise<JobRecord> {
    for (let turn = 0; turn < limit; turn++) {
      const job = await this.job(id);
      if (job.finishedAt !== null) return job;
      if (this.plans.peek(id) !== null) {
        this.cluster.work(id, 5);
        this.cluster.report(id);
        this.cluster.evaluate();
      }
      await this.tick();
    }
    throw new Error(`Job ${id} did not end: ${JSON.stringify(await this.job(id))}`);
  }
}
