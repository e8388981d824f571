import { DownpourError } from './errors.ts';
import type { ClusterSpec, TensorflowJob } from './cluster-spec.ts';
import { TENSORFLOW_JOBS } from './cluster-spec.ts';

/** What a device string of TensorFlow says: `/job:ps/task:1`. */
export interface DeviceSpec {
  job?: TensorflowJob;
  task?: number;
  /** Of the machine; there is one kind here. */
  device?: 'CPU';
  index?: number;
}

const EXAMPLE = 'write it like /job:ps/task:1 or /job:worker/task:0/device:CPU:0';

function refuse(text: string, why: string): DownpourError {
  return new DownpourError('invalid-request', `"${text}" is no device: ${why}`, { field: 'device' });
}

/**
 * Reads a device string as tf.DeviceSpec.from_string does: parts in any order, each at most once. `/replica:0` is let pass: TensorFlow writes it, and it has no other value.
 * @throws DownpourError invalid-request (field `device`): says what is wrong and what would be right
 */
export function parseDevice(text: string): DeviceSpec {
  const spec: DeviceSpec = {};
  const seen = new Set<string>();
  if (!text.startsWith('/')) throw refuse(text, `it should begin with a slash; ${EXAMPLE}`);
  for (const part of text.slice(1).split('/')) {
    const [key = '', value = '', more] = part.split(':');
    // `/cpu:0` is the old way to write `/device:CPU:0`.
    const [name, given] = /^(cpu|gpu)$/i.test(key) ? ['device', key] : [key, value];
    const index = name === key ? more : value;
    if (seen.has(name)) throw refuse(text, `it says ${name} twice`);
    seen.add(name);
    switch (name) {
      case 'job':
        if (!Object.hasOwn(TENSORFLOW_JOBS, value))
          throw refuse(
            text,
            `there is no job "${value}"; there are ${Object.keys(TENSORFLOW_JOBS).join(' and ')} (the chief is the gateway's coordinator)`,
          );
        spec.job = value as TensorflowJob;
        break;
      case 'task':
        spec.task = wholeNumber(text, 'task', value);
        break;
      case 'replica':
        if (wholeNumber(text, 'replica', value) !== 0)
          throw refuse(text, 'replicas are numbered by their task: leave /replica out');
        break;
      case 'device':
        if (given.toUpperCase() !== 'CPU') throw refuse(text, `Downpour computes on CPUs only, there is no ${given}`);
        spec.device = 'CPU';
        if (index !== undefined && index !== '') spec.index = wholeNumber(text, 'device', index);
        break;
      default:
        throw refuse(text, `"${part}" is no part of one; ${EXAMPLE}`);
    }
  }
  return spec;
}

function wholeNumber(text: string, name: string, value: string): number {
  if (/^\d{1,6}$/.test(value)) return Number(value);
  throw refuse(text, `${name} should be a whole number from 0, not "${value}"`);
}

/** TensorFlow's form of it: `/job:ps/task:1/device:CPU:0`. */
export function formatDevice({ job, task, device, index }: DeviceSpec): string {
  const parts = [
    job && `job:${job}`,
    task === undefined ? undefined : `task:${task}`,
    device && `device:${device}:${index ?? '*'}`,
  ];
  return parts
    .filter((part) => part !== undefined)
    .map((part) => `/${part}`)
    .join('');
}

/**
 * The entry of a cluster that a device is: the name of a process.
 * @throws DownpourError invalid-request when the string is none, names no task, or one that the cluster has not
 */
export function taskOf(cluster: ClusterSpec, text: string): string {
  const { job, task } = parseDevice(text);
  if (job === undefined || task === undefined) throw refuse(text, `it names no process; ${EXAMPLE}`);
  const tasks = cluster[job] ?? [];
  const entry = tasks[task];
  if (entry !== undefined) return entry;
  const there =
    tasks.length === 0 ? `the cluster names no ${job}` : `the cluster has ${job} tasks 0 to ${tasks.length - 1}`;
  throw refuse(text, there);
}
