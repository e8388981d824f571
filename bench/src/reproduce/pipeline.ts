import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { JobSpecInput } from '@downpour/contracts';
import { Cluster } from '../harness/cluster.ts';
import { median, short } from '../harness/statistics.ts';
import { timeline, type Panel } from '../harness/timeline.ts';
import { deepMlp } from './deep-mlp.ts';
import { baseJob, BATCH_SIZE, CLUSTER, type Experiment } from './experiment.ts';
import { bubbleOf, bubbleOfEqual, type Stage } from './one-forward-one-backward.ts';
import { busyMs, tracedSteps, type TracedStep } from './traced-steps.ts';
import { watchJob } from './watch-job.ts';
import { WorkerFleet } from './worker-fleet.ts';

const PARTITIONS = [2, 4];
const MICRO_BATCHES = [1, 2, 4, 8];
const STEPS = 16;
/** Graphs are compiled in the first ones. */
const FIRST_STEPS = 3;
const TIMEOUT_MS = 240_000;
/** Times the padding: long beside what a tensor takes to cross. */
const COMPUTE = 8;

interface Run {
  partitions: number;
  microBatches: number;
  seed: number;
  /** From the beginning of a step to that of the next. */
  periodMs: number;
  /** From the first forward to the last backward: what is missing to a period is parameters, there and back. */
  stepMs: number;
  /** Of each partition: share of a period in which it computes. */
  utilisation: number[];
  stages: Stage[];
  /** Share of all partitions' time in a step in which they do not compute. */
  bubble: number;
  equalBubble: number;
  unequalBubble: number;
  /** The step whose bubble is the median. */
  typical: TracedStep;
  problems: string[];
}

const jobOf = (count: number, microBatches: number, seed: number): JobSpecInput => ({
  ...baseJob(seed),
  ...deepMlp(count, microBatches),
  updateRule: { kind: 'sgd', learningRate: 0.05 },
  shards: 4,
});

/** What partitions of a replica do when, and how much of their time they wait, beside the theory of 1F1B. */
export const pipeline: Experiment = {
  name: 'pipeline',
  title: 'one replica of 2 and 4 partitions, 1 to 8 micro-batches: who computes when, and the bubble',
  async run({ options, signal, progress }) {
    const runs: Run[] = [];
    const traces = mkdtempSync(path.join(os.tmpdir(), 'downpour-traces-'));
    const cluster = await Cluster.start(CLUSTER);
    const fleet = new WorkerFleet(cluster, { TRACE_DIR: traces });
    try {
      for (const partitions of PARTITIONS) {
        await fleet.be(new Array<number>(partitions).fill(COMPUTE * options.paddingMs));
        for (const seed of options.seeds)
          for (const microBatches of MICRO_BATCHES) {
            progress(`${partitions} partitions, ${microBatches} micro-batches, seed ${seed}`);
            const { jobId, problems } = await watchJob(cluster, jobOf(partitions, microBatches, seed), {
              meter: fleet.meter,
              signal,
              timeoutMs: TIMEOUT_MS,
              until: ({ progress: points }) =>
                (points.at(-1)?.examples ?? 0) - (points[0]?.examples ?? 0) >= STEPS * BATCH_SIZE,
            });
            const steps = tracedSteps(traces, jobId, partitions, microBatches).slice(FIRST_STEPS);
            runs.push({ partitions, microBatches, seed, ...measured(steps, partitions, microBatches), problems });
          }
      }
    } finally {
      await cluster.stop();
      rmSync(traces, { recursive: true });
    }
    const computeMs = COMPUTE * options.paddingMs;
    return { rows: rowsOf(runs), charts: chartsOf(runs, computeMs), data: { computeMs, runs } };
  },
};

function measured(steps: readonly TracedStep[], partitions: number, microBatches: number) {
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const middle = (value: (step: TracedStep) => number) => median(steps.map(value));
  const bubble = (step: TracedStep) =>
    1 - all.reduce((sum, partition) => sum + busyMs(step, partition), 0) / (partitions * step.ms);
  const periodMs = median(steps.slice(1).map(({ beganMs }, i) => beganMs - steps[i]!.beganMs));
  const stages = all.map((partition): Stage => ({
    forward: middle((step) => busyMs(step, partition, 'forward')) / microBatches,
    backward: middle((step) => busyMs(step, partition, 'backward')) / microBatches,
  }));
  return {
    periodMs,
    stepMs: middle(({ ms }) => ms),
    utilisation: all.map((partition) => middle((step) => busyMs(step, partition)) / periodMs),
    stages,
    bubble: middle(bubble),
    equalBubble: bubbleOfEqual(partitions, microBatches),
    unequalBubble: bubbleOf(stages, microBatches),
    typical: [...steps].sort((a, b) => bubble(a) - bubble(b))[steps.length >> 1]!,
  };
}

const of = (runs: readonly Run[], partitions: number, microBatches: number): Run[] =>
  runs.filter((run) => run.partitions === partitions && run.microBatches === microBatches);

function rowsOf(runs: readonly Run[]): string[][] {
  const rows = [
    ['partitions', 'micro-batches', 'ms a step', 'busy, of each partition', 'bubble', 'theory, equal', 'theory, these'],
  ];
  for (const partitions of PARTITIONS)
    for (const microBatches of MICRO_BATCHES) {
      const own = of(runs, partitions, microBatches);
      const middle = (value: (run: Run) => number) => median(own.map(value));
      const busy = Array.from({ length: partitions }, (_, p) => percent(middle(({ utilisation }) => utilisation[p]!)));
      rows.push([
        String(partitions),
        String(microBatches),
        short(middle(({ periodMs }) => periodMs)),
        busy.join(' '),
        percent(middle(({ bubble }) => bubble)),
        percent(bubbleOfEqual(partitions, microBatches)),
        percent(middle(({ unequalBubble }) => unequalBubble)),
      ]);
    }
  return rows;
}

function chartsOf(runs: readonly Run[], computeMs: number): Record<string, string> {
  const charts: Record<string, string> = {};
  const axis = `ms since the step began; on the right, share of its time that a partition computes. Compute padded to ${computeMs} ms a step`;
  for (const partitions of PARTITIONS) {
    const panels = MICRO_BATCHES.map((microBatches): Panel => {
      const own = of(runs, partitions, microBatches);
      const { typical, bubble } = [...own].sort((a, b) => a.bubble - b.bubble)[own.length >> 1]!;
      return {
        title: `${microBatches} micro-batch${microBatches > 1 ? 'es' : ''}: bubble ${percent(bubble)}`,
        rows: Array.from({ length: partitions }, (_, p) => ({
          name: `partition ${p}`,
          note: percent(busyMs(typical, p) / typical.ms),
        })),
        blocks: typical.work.map(({ partition, microBatch, direction, beginMs, ms }) => {
          return { row: partition, label: String(microBatch + 1), kind: direction, beginMs, ms };
        }),
      };
    });
    const title = `A step of ${partitions} partitions`;
    charts[`pipeline-${partitions}`] = timeline(title, axis, ['forward', 'backward'], panels);
  }
  return charts;
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;
