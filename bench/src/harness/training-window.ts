import type { JobEvent, JobSpecInput, ShardEvent } from '@downpour/contracts';
import type { Cluster } from './cluster.ts';
import { difference, total, type CpuReading } from './cpu-meter.ts';

export interface WindowOptions {
  /** Time from the first applied gradient until measuring begins: graphs are traced, code is compiled. */
  warmUpMs: number;
  windowMs: number;
  /** Windows measured one after the other in the same job. */
  windows: number;
  signal: AbortSignal;
}

/** What was measured between two counts of applied examples. */
export interface TrainingWindow {
  examples: number;
  seconds: number;
  examplesPerSecond: number;
  /** CPU seconds of all processes for 1000 examples. */
  cpuPerThousand: number;
  /** The same by role. */
  cpuByRole: Record<string, number>;
  /** Bytes that shard 0 took in and gave out for each example, times the shards: what crosses the wire. */
  bytesPerExample: number;
  staleness: number;
}

/** Counts must be of a job under way: a step of the largest workload takes a tenth of a second. */
const MIN_PUSHES = 10;
const SILENCE_MS = 60_000;

interface Count {
  atMs: number;
  event: ShardEvent;
  cpu: CpuReading;
}

/**
 * Submits an ordinary job and measures it in full swing: examples are those that shard 0 has applied, taken from its events (each shard
 * applies the same pushes), CPU is read at the same moments. The job is cancelled afterwards: its spec must be long enough.
 */
export async function measureTraining(
  cluster: Cluster,
  spec: JobSpecInput,
  options: WindowOptions,
): Promise<TrainingWindow[]> {
  const { client, meter } = cluster;
  const { id } = await client.submit({ ...spec, evaluateEvery: 100_000 });
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error(`Job ${id} said nothing for ${SILENCE_MS} ms`)), SILENCE_MS);
  const stop = AbortSignal.any([options.signal, silence.signal]);
  const windows: TrainingWindow[] = [];
  let warm: { sinceMs: number; applied: number } | null = null;
  let last: Count | null = null;
  try {
    for await (const event of client.events(id, stop)) {
      failOn(event, id);
      if (event.type !== 'shard' || event.shard !== 0 || event.state !== 'serving') continue;
      const atMs = performance.now();
      const { applied } = event.ledger;
      if (applied > 0) timer.refresh();
      if (applied === 0) continue;
      warm ??= { sinceMs: atMs, applied };
      if (last === null) {
        if (atMs - warm.sinceMs >= options.warmUpMs && applied - warm.applied >= MIN_PUSHES)
          last = { atMs, event, cpu: meter.read() };
        continue;
      }
      if (atMs - last.atMs < options.windowMs || applied === last.event.ledger.applied) continue;
      const count: Count = { atMs, event, cpu: meter.read() };
      windows.push(between(last, count, spec.shards ?? 1));
      last = count;
      if (windows.length === options.windows) break;
    }
  } finally {
    clearTimeout(timer);
    await client.cancel(id).catch(() => undefined);
  }
  stop.throwIfAborted();
  if (windows.length < options.windows) throw new Error(`Job ${id} ended before it was measured: give it more epochs`);
  await client.untilTerminal(id, { signal: AbortSignal.timeout(30_000), pollMs: 50 });
  return windows;
}

function failOn(event: JobEvent, id: string): void {
  if (event.type === 'problem') throw new Error(`Job ${id}: ${event.message}`);
  if (event.type === 'state' && event.state === 'failed') throw new Error(`Job ${id} failed: ${event.reason}`);
}

function between(begin: Count, end: Count, shards: number): TrainingWindow {
  const examples = end.event.ledger.examplesApplied - begin.event.ledger.examplesApplied;
  const seconds = (end.atMs - begin.atMs) / 1000;
  const cpu = difference(end.cpu, begin.cpu);
  const bytes = end.event.bytesIn - begin.event.bytesIn + (end.event.bytesOut - begin.event.bytesOut);
  return {
    examples,
    seconds,
    examplesPerSecond: examples / seconds,
    cpuPerThousand: (1000 * total(cpu)) / examples,
    cpuByRole: Object.fromEntries([...cpu].map(([role, used]) => [role, (1000 * used) / examples])),
    bytesPerExample: (bytes * shards) / examples,
    staleness: end.event.stalenessMean,
  };
}
