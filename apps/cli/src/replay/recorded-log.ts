import { checkpointManifestSchema, DownpourError, jobPlanSchema, objects } from '@downpour/contracts';
import type { JobPlan } from '@downpour/contracts';
import type { NatsLink } from '@downpour/nats';
import { JetStreamPushLog, KvPlanRepository, ObjectStore } from '@downpour/nats';
import type { LoggedRecord, ReplaySource } from '@downpour/parameters';
import { initialFromCheckpoint, ParameterShard, shardIdentity } from '@downpour/parameters';

/** The kept log of a job that runs or has ended. @throws DownpourError not-found, conflict when it was not kept */
export async function recordedLog(link: NatsLink, jobId: string): Promise<ReplaySource> {
  const store = new ObjectStore(link);
  const plan = await planOf(link, store, jobId);
  if (!plan.spec.keepLog)
    throw new DownpourError(
      'conflict',
      `The push log of job ${jobId} is forgotten behind its snapshots: submit jobs that are to be replayed with keepLog true`,
    );
  return {
    name: jobId,
    plan,
    initial: (shard) => initialOf(store, plan, shard),
    records: (shard) => recordsOf(link, jobId, shard),
  };
}

async function planOf(link: NatsLink, store: ObjectStore, jobId: string): Promise<JobPlan> {
  const running = await new KvPlanRepository(link).get(jobId);
  if (running !== null) return running.value;
  const kept = await store.get(objects.keptPlan(jobId)).catch((error: unknown) => {
    if (error instanceof DownpourError && error.code === 'not-found') return null;
    throw error;
  });
  if (kept === null)
    throw new DownpourError(
      'not-found',
      `There is no file and no recorded job ${jobId}: a job that has ended can be replayed if it was submitted with keepLog true`,
    );
  return jobPlanSchema.parse(JSON.parse(Buffer.from(kept).toString('utf8')));
}

/** As the parameter shard began. */
async function initialOf(store: ObjectStore, plan: JobPlan, shard: number): Promise<ParameterShard> {
  const identity = shardIdentity(plan, shard);
  const { origin } = plan;
  if (origin === undefined) {
    const bytes = await store.get(objects.initialParameters(plan.jobId));
    return ParameterShard.initial(identity, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4));
  }
  const text = Buffer.from(await store.get(objects.checkpointManifest(origin.job, origin.checkpoint))).toString('utf8');
  const manifest = checkpointManifestSchema.parse(JSON.parse(text));
  const { stream } = await store.getStream(objects.checkpointModel(origin.job, origin.checkpoint));
  return initialFromCheckpoint(identity, origin, manifest, stream);
}

/** What is in the log when it is asked for. A record is handed on when the one before is done with: its memory is used again. */
async function* recordsOf(link: NatsLink, jobId: string, shard: number): AsyncGenerator<LoggedRecord> {
  const offered: LoggedRecord[] = [];
  let ended = false;
  let arrived = (): void => undefined;
  let done = (): void => undefined;
  const follower = await new JetStreamPushLog(link, jobId, shard).follow(
    0,
    (record) => {
      if (ended) return;
      offered.push(record);
      arrived();
      return new Promise<void>((resolve) => (done = resolve));
    },
    (reason, sequence) => console.error(`downpour: record ${sequence} of shard ${shard} was skipped: ${reason}`),
  );
  void follower.caughtUp.then(() => {
    ended = true;
    arrived();
  });
  try {
    for (;;) {
      if (offered.length === 0 && !ended) await new Promise<void>((resolve) => (arrived = resolve));
      const record = offered.shift();
      if (record !== undefined) yield record;
      else if (ended) return;
      done();
    }
  } finally {
    ended = true;
    done();
    await follower.stop();
  }
}
