import { z } from 'zod';
import type { Member } from './member.ts';

/** TensorFlow's names of roles, and ours. */
export const TENSORFLOW_JOBS = { worker: 'worker', ps: 'parameter-shard' } as const;
export type TensorflowJob = keyof typeof TENSORFLOW_JOBS;

const entry = z
  .string()
  .regex(
    /^[A-Za-z0-9.*-]{1,120}$/,
    'the name of a process (INSTANCE_NAME), its instance, or its host, with * for any letters; there are no ports: processes find each other over NATS',
  );
const tasks = z.array(entry).min(1, 'nobody would serve the job: name a process, or leave the list out').max(256);

/** Which processes serve a job, as tf.train.ClusterSpec says it. A list that is left out: all that there are. */
export const clusterSpecSchema = z
  .strictObject({
    worker: tasks.optional().describe('Workers that train the job'),
    ps: tasks.optional().describe('Parameter-shard processes that hold its shards'),
  })
  .meta({ id: 'ClusterSpec' });
export type ClusterSpec = z.infer<typeof clusterSpecSchema>;

type Process = Pick<Member, 'instance'> & Partial<Pick<Member, 'host'>>;

/** `worker-a-9x8y7z` is an instance of the name `worker-a`. */
const nameOf = (instance: string): string => instance.replace(/-[a-z0-9]{6}$/, '');

/** Is that process meant by an entry? By its instance, its name or its host. */
export function isTask(entryOfSpec: string, { instance, host }: Process): boolean {
  const escaped = entryOfSpec.replaceAll('.', '\\.').replaceAll('*', '.*');
  const pattern = new RegExp(`^${escaped}$`);
  return [instance, nameOf(instance), ...(host === undefined ? [] : [host])].some((text) => pattern.test(text));
}

/** May a member serve the job? Gateways and data sharders serve all jobs. */
export function servesJob(cluster: ClusterSpec | undefined, role: Member['role'], process: Process): boolean {
  const job = (Object.keys(TENSORFLOW_JOBS) as TensorflowJob[]).find((name) => TENSORFLOW_JOBS[name] === role);
  const entries = job === undefined ? undefined : cluster?.[job];
  return entries === undefined || entries.some((text) => isTask(text, process));
}

/** Entries that nobody alive stands for, as TensorFlow would name them: `ps "big-*"`. */
export function missingTasks(cluster: ClusterSpec | undefined, members: readonly Member[]): string[] {
  return (Object.keys(TENSORFLOW_JOBS) as TensorflowJob[]).flatMap((job) =>
    (cluster?.[job] ?? [])
      .filter(
        (text) =>
          !members.some((member) => member.role === TENSORFLOW_JOBS[job] && !member.draining && isTask(text, member)),
      )
      .map((text) => `${job} "${text}"`),
  );
}
