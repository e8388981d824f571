import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** What workers write with TRACE_DIR (apps/worker/src/group/segment-trace.ts), of what is read here. */
interface TraceEvent {
  cat: 'forward' | 'backward';
  ts: number;
  dur: number;
  tid: number;
  args: { job: string; step: number; segment: number; microBatch: number };
}

export interface Work {
  partition: number;
  microBatch: number;
  direction: 'forward' | 'backward';
  /** Since the step began. */
  beginMs: number;
  ms: number;
}

/** One step of a group, from its first forward to its last backward. */
export interface TracedStep {
  /** Since 1970. */
  beganMs: number;
  ms: number;
  work: Work[];
}

/**
 * The steps of a job whose partitions are one segment each, of which none was given up.
 * @throws Error when they were not, or no trace of the job is there
 */
export function tracedSteps(folder: string, job: string, partitions: number, microBatches: number): TracedStep[] {
  const events = readdirSync(folder)
    .flatMap((file) => eventsOf(readFileSync(path.join(folder, file), 'utf8')))
    .filter(({ args }) => args.job === job)
    .sort((a, b) => a.ts - b.ts);
  const rows = Array.from({ length: partitions }, (_, p) => events.filter(({ tid }) => tid === p));
  if (new Set(events.map(({ args }) => args.segment)).size !== partitions)
    throw new Error(`The ${partitions} partitions of ${job} have not one segment each, or no trace of theirs is there`);
  const perStep = 2 * microBatches;
  const count = Math.min(...rows.map(({ length }) => Math.floor(length / perStep)));
  return Array.from({ length: count }, (_, i) => {
    const own = rows.flatMap((row) => row.slice(i * perStep, (i + 1) * perStep));
    if (new Set(own.map(({ args }) => args.step)).size > 1) throw new Error(`A step of ${job} was given up`);
    const began = Math.min(...own.map(({ ts }) => ts));
    const work = own.map(({ ts, dur, tid, cat, args }): Work => {
      const { microBatch } = args;
      return { partition: tid, microBatch, direction: cat, beginMs: (ts - began) / 1000, ms: dur / 1000 };
    });
    return { beganMs: began / 1000, ms: Math.max(...work.map(({ beginMs, ms }) => beginMs + ms)), work };
  });
}

/** An event a line. Of a worker that goes on the last one may be cut. */
function eventsOf(text: string): TraceEvent[] {
  return text
    .split('\n')
    .filter((line) => /\}\},?$/.test(line))
    .map((line) => JSON.parse(line.replace(/,$/, '')) as TraceEvent);
}

/** What a partition computed of a step. */
export function busyMs({ work }: TracedStep, partition: number, direction?: Work['direction']): number {
  const own = work.filter(
    (one) => one.partition === partition && (direction === undefined || one.direction === direction),
  );
  return own.reduce((sum, { ms }) => sum + ms, 0);
}
