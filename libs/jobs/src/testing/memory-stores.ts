import type { JobEvent, JobPlan, JobRecord } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { EventSource, JobRepository, PlanRepository, Revised } from '../ports.ts';

/** One revision counter, as in a KV bucket; values are copied on the way in and out. */
class MemoryBucket<T> {
  readonly records = new Map<string, Revised<T>>();
  #revision = 0;

  get(key: string): Revised<T> | null {
    const record = this.records.get(key);
    return record === undefined ? null : structuredClone(record);
  }
  put(key: string, value: T, expected: number): number {
    const present = this.records.get(key)?.revision ?? 0;
    if (present !== expected) throw new DownpourError('conflict', `${key} is at revision ${present}, not ${expected}`);
    const revision = ++this.#revision;
    this.records.set(key, { value: structuredClone(value), revision });
    return revision;
  }
}

export class MemoryJobRepository implements JobRepository {
  readonly #bucket = new MemoryBucket<JobRecord>();
  readonly #watchers = new Set<(job: Revised<JobRecord>) => void>();
  /** Every state a job was ever stored in, in order. */
  readonly history = new Map<string, string[]>();

  async create(job: JobRecord): Promise<number> {
    return this.#write(job, 0);
  }
  async get(id: string): Promise<Revised<JobRecord> | null> {
    return this.#bucket.get(id);
  }
  async list(): Promise<JobRecord[]> {
    return [...this.#bucket.records.values()].map(({ value }) => structuredClone(value));
  }
  async update(job: JobRecord, revision: number): Promise<number> {
    return this.#write(job, revision);
  }
  async watch(onJob: (job: Revised<JobRecord>) => void): Promise<() => void> {
    for (const record of this.#bucket.records.values()) onJob(structuredClone(record));
    this.#watchers.add(onJob);
    return () => this.#watchers.delete(onJob);
  }
  #write(job: JobRecord, expected: number): number {
    const revision = this.#bucket.put(job.id, job, expected);
    const states = this.history.get(job.id) ?? [];
    if (states.at(-1) !== job.state) states.push(job.state);
    this.history.set(job.id, states);
    for (const watcher of this.#watchers) watcher(structuredClone({ value: job, revision }));
    return revision;
  }
}

export class MemoryPlanRepository implements PlanRepository {
  readonly #bucket = new MemoryBucket<JobPlan>();
  async get(jobId: string): Promise<Revised<JobPlan> | null> {
    return this.#bucket.get(jobId);
  }
  async put(plan: JobPlan, revision: number | null): Promise<number> {
    return this.#bucket.put(plan.jobId, plan, revision ?? 0);
  }
  async remove(jobId: string): Promise<void> {
    this.#bucket.records.delete(jobId);
  }
  async list(): Promise<string[]> {
    return [...this.#bucket.records.keys()];
  }
  peek(jobId: string): JobPlan | null {
    return this.#bucket.get(jobId)?.value ?? null;
  }
}

/** Events of all jobs in one stream. `hold` keeps them back until `deliver` lets them through in any order. */
export class MemoryEvents implements EventSource {
  readonly stored: { jobId: string; event: JobEvent; sequence: number }[] = [];
  readonly #followers = new Set<(jobId: string, event: JobEvent, sequence: number) => void>();

  publish(jobId: string, event: JobEvent): void {
    const sequence = this.stored.length + 1;
    this.stored.push({ jobId, event, sequence });
    for (const follower of this.#followers) follower(jobId, event, sequence);
  }
  async follow(
    jobId: string,
    after: number,
    onEvent: (event: JobEvent, sequence: number) => void,
  ): Promise<() => void> {
    const follower = (id: string, event: JobEvent, sequence: number) => {
      if (id === jobId && sequence > after) onEvent(event, sequence);
    };
    for (const { jobId: id, event, sequence } of this.stored) follower(id, event, sequence);
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }
  of(jobId: string): JobEvent[] {
    return this.stored.filter((entry) => entry.jobId === jobId).map(({ event }) => event);
  }
}
