import type { Bench, Figure } from '../bench.ts';
import { Cluster } from '../harness/cluster.ts';
import { median } from '../harness/statistics.ts';
import { WireChild, type Rates } from '../harness/wire-child.ts';
import { difference, total } from '../harness/cpu-meter.ts';
import { short } from '../harness/statistics.ts';
import { endlessJob } from '../workloads.ts';

const PAD_MS = 200;
const WORKERS = [1, 2, 4, 8, 16, 32];
const SHARDS = [1, 2, 4];
/** More workers than this bend for want of processor time on a small machine: shown, not judged. */
const JUDGED_WORKERS = 16;
const AIM = 0.95;
const PROCESSES = 4;

/**
 * Workers whose compute is a pause of 200 ms, so that what is left is coordination: real NATS, real shards, real queues, everything of a worker
 * but TensorFlow. The baseline is one worker times N.
 */
export const scaling: Bench = {
  id: '6',
  title: `scaling: workers padded to ${PAD_MS} ms a step`,
  async run({ options, progress, signal }) {
    const counts = options.quick ? [1, 16] : WORKERS;
    const shards = options.quick ? [2] : SHARDS;
    progress('starting a cluster');
    const cluster = await Cluster.start({ workers: 0, shards: Math.max(...shards) });
    const figures: Figure[] = [];
    const rows = [['', 'steps/s', 'efficiency', 'CPU s/s of services', 'CPU ms/step']];
    const series: { name: string; points: [number, number][] }[] = [];
    try {
      for (const m of shards) {
        let one: Rates = [];
        const points: [number, number][] = [];
        for (const n of counts) {
          signal.throwIfAborted();
          progress(`${n} workers, ${m} shards`);
          const { rates, cpuPerSecond } = await measure(cluster, n, m, options.windowMs, options.repetitions);
          if (n === 1) one = rates;
          const efficiency = median(rates) / (n * median(one));
          points.push([n, efficiency]);
          figures.push({
            name: `${n} workers, ${m} shards`,
            unit: 'steps/s',
            values: rates,
            baseline: { name: `1 worker x ${n}`, values: one.map((rate) => rate * n) },
            aim: n === 1 || n > JUDGED_WORKERS ? null : { least: AIM },
          });
          rows.push([
            `${n} workers, ${m} shards`,
            short(median(rates)),
            short(efficiency),
            short(cpuPerSecond),
            short((1000 * cpuPerSecond) / median(rates)),
          ]);
        }
        series.push({ name: `${m} shards`, points });
      }
    } finally {
      await cluster.stop();
    }
    return {
      figures,
      details: [{ title: 'Scaling, and what the services take of the processor', rows }],
      curves: [{ title: 'Scaling efficiency', x: 'workers', y: 'speed over that of one worker x N', series }],
    };
  },
};

async function measure(cluster: Cluster, n: number, m: number, windowMs: number, windows: number) {
  const { client, meter, natsUrl } = cluster;
  const processes = Math.min(PROCESSES, n);
  const children = await Promise.all(Array.from({ length: processes }, () => WireChild.start()));
  let jobId: string | null = null;
  try {
    await Promise.all(
      children.map((child, i) =>
        child.ask({ ask: 'join', natsUrl, workers: Math.ceil((n - i) / processes), prepares: i === 0 }),
      ),
    );
    const { id } = await client.submit(endlessJob('mlp-small', { shards: m }));
    jobId = id;
    const ask = { ask: 'train', jobId: id, padMs: PAD_MS, warmUpMs: 1000, windowMs, windows } as const;
    const before = { atMs: performance.now(), cpu: meter.read() };
    const rates = await Promise.all(children.map((child) => child.ask<Rates>(ask)));
    const cpu = total(difference(meter.read(), before.cpu));
    const cpuPerSecond = cpu / ((performance.now() - before.atMs) / 1000);
    return { rates: rates[0]!.map((_, w) => rates.reduce((sum, own) => sum + own[w]!, 0)), cpuPerSecond };
  } finally {
    if (jobId !== null) await client.cancel(jobId).catch(() => undefined);
    await Promise.allSettled(children.map((child) => child.ask({ ask: 'leave' })));
    await Promise.all(children.map((child) => child.stop()));
    if (jobId !== null) await client.untilTerminal(jobId, { signal: AbortSignal.timeout(30_000), pollMs: 50 });
  }
}
