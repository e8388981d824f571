import { setTimeout as sleep } from 'node:timers/promises';
import type { JobRecord, JobSpecInput } from '@downpour/contracts';
import { TERMINAL_STATES } from '@downpour/contracts';
import type { ChaosCluster } from './chaos-cluster.ts';

/** Shards' events come twice a second, so a look more often says nothing new. */
const LOOK_MS = 250;

interface Look {
  at: number;
  job: JobRecord;
}

/** What users see of a job, a few times a second, through whichever gateway answers. */
export class JobWatch {
  readonly #cluster: ChaosCluster;
  readonly #looks: Look[] = [];

  constructor(cluster: ChaosCluster) {
    this.#cluster = cluster;
  }

  /** Runs one job from its submission to its end, whoever dies on the way. @throws the signal's reason */
  async run(
    spec: JobSpecInput & { name: string },
    signal: AbortSignal,
    onLook?: (job: JobRecord) => void,
  ): Promise<JobRecord> {
    const { id } = await this.#submit(spec, signal);
    for (;;) {
      const job = await this.#cluster.ask((gateway) => gateway.job(id), signal);
      this.#looks.push({ at: performance.now(), job });
      onLook?.(job);
      if (TERMINAL_STATES.includes(job.state)) return job;
      await sleep(LOOK_MS, undefined, { signal });
    }
  }

  /** How long after `at` the job was seen to have moved on: its state has changed, or every shard has applied more. null: it never was. */
  movedOnAfter(at: number): number | null {
    const before = this.#looks.findLast((look) => look.at <= at);
    if (before === undefined) return null;
    // Asked for before, answered after: it may show what was before.
    const after = this.#looks.find((look) => look.at > at && hasMovedOn(before.job, look.job));
    return after === undefined ? null : after.at - at;
  }

  /** A submission that was not answered may have been stored all the same: it is looked for by its name before it is sent again. */
  async #submit(spec: JobSpecInput & { name: string }, signal: AbortSignal): Promise<JobRecord> {
    return this.#cluster.ask(async (gateway) => {
      const known = (await gateway.unfinishedJobs()).find(({ name }) => name === spec.name);
      return known ?? gateway.submit(spec);
    }, signal);
  }
}

const hasMovedOn = (before: JobRecord, now: JobRecord): boolean => {
  if (now.id !== before.id || now.state !== before.state) return true;
  const applied = new Map(before.ledger.map((ledger) => [ledger.shard, ledger.applied]));
  return (
    now.ledger.length > 0 &&
    now.ledger.every(
      (ledger) => ledger.applied === ledger.expected || ledger.applied > (applied.get(ledger.shard) ?? 0),
    )
  );
};
