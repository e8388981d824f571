import type { JobEvent, JobRecord, JobSpecInput, ShardLedger } from '@downpour/contracts';
import type { Cluster } from '../harness/cluster.ts';
import { difference, total, type CpuMeter } from '../harness/cpu-meter.ts';

/** What of a job is seen from outside, in seconds since its first applied gradient. */
export interface Watched {
  jobId: string;
  /** Examples that shard 0 had applied. */
  progress: { seconds: number; examples: number; cpuSeconds: number }[];
  evaluations: { epoch: number; accuracy: number; loss: number }[];
  /** Shard 0's at the last look. */
  ledger: ShardLedger | null;
  stalenessMean: number;
  stalenessMax: number;
  problems: string[];
  end: JobRecord | null;
}

export interface WatchOptions {
  meter: CpuMeter;
  signal: AbortSignal;
  timeoutMs: number;
  /** Cancels the job as soon as it holds. */
  until?: (watched: Watched) => boolean;
  /** Told of every event, when what it says is in `watched`. */
  onLook?: (watched: Watched) => void;
  onEvaluation?: (evaluation: Watched['evaluations'][number]) => void;
}

const END_TIMEOUT_MS = 60_000;

/** Submits a job and watches it until it ends, or enough was seen, or its time is over: what was seen until then is the result. */
export async function watchJob(cluster: Cluster, spec: JobSpecInput, options: WatchOptions): Promise<Watched> {
  const { client } = cluster;
  const { id } = await client.submit(spec);
  const watched: Watched = {
    jobId: id,
    progress: [],
    evaluations: [],
    ledger: null,
    stalenessMean: 0,
    stalenessMax: 0,
    problems: [],
    end: null,
  };
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const enough = new AbortController();
  const stop = AbortSignal.any([options.signal, timeout, enough.signal]);
  const look = lookAt(watched, options.meter);
  try {
    for await (const event of client.events(id, stop)) {
      look(event);
      options.onLook?.(watched);
      if (event.type === 'evaluation') options.onEvaluation?.(watched.evaluations.at(-1)!);
      if (options.until?.(watched)) enough.abort();
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    if (stop.aborted) await client.cancel(id).catch(() => undefined);
  }
  options.signal.throwIfAborted();
  watched.end = await client.untilTerminal(id, { signal: AbortSignal.timeout(END_TIMEOUT_MS), pollMs: 50 });
  if (timeout.aborted) watched.problems.push(`given up after ${options.timeoutMs / 1000} s`);
  return watched;
}

function lookAt(watched: Watched, meter: CpuMeter): (event: JobEvent) => void {
  let first: { atMs: number; examples: number; cpu: ReturnType<CpuMeter['read']> } | null = null;
  return (event) => {
    if (event.type === 'problem') watched.problems.push(event.message);
    if (event.type === 'state' && event.state === 'failed') watched.problems.push(event.reason ?? 'failed');
    if (event.type === 'evaluation') {
      const { epoch, accuracy, loss } = event.evaluation;
      watched.evaluations.push({ epoch, accuracy: accuracy ?? 0, loss });
    }
    if (event.type !== 'shard' || event.shard !== 0 || event.ledger.applied === 0) return;
    const atMs = Date.parse(event.at);
    const cpu = meter.read();
    const { examplesApplied: examples } = event.ledger;
    first ??= { atMs, examples, cpu };
    watched.ledger = event.ledger;
    watched.stalenessMean = event.stalenessMean;
    watched.stalenessMax = event.stalenessMax;
    watched.progress.push({
      seconds: (atMs - first.atMs) / 1000,
      examples,
      cpuSeconds: total(difference(cpu, first.cpu)),
    });
  };
}

/** Where a curve first reaches a height, by straight lines between its points; null where it does not. */
export function crossing(points: readonly (readonly [number, number])[], height: number): number | null {
  for (let i = 0; i < points.length; i++) {
    const [x, y] = points[i]!;
    if (y < height) continue;
    if (i === 0) return x;
    const [x0, y0] = points[i - 1]!;
    return x0 + ((height - y0) / (y - y0)) * (x - x0);
  }
  return null;
}
