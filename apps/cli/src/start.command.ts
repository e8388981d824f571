import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jobSpecSchema, missingPushes } from '@downpour/contracts';
import type { JobRecord, JobSpecInput, ShardLedger } from '@downpour/contracts';
import { unzipSync } from 'fflate';
import { LocalCluster, REPOSITORY } from './local-cluster.ts';
import { UsageError, type StartOptions } from './options.ts';
import { percent, Progress, rate, shownMetric } from './progress.ts';

const POLL_MS = 500;

/** Starts the whole system, trains, shows the result, ends everything. Returns the exit code. */
export async function start(options: StartOptions): Promise<number> {
  const job = readJob(options);
  if (job?.dataset === 'fashion-mnist') fetchFashionMnist();
  const stop = new AbortController();
  let exitCode = 0;
  const interrupt = (signal: NodeJS.Signals) => {
    exitCode = signal === 'SIGINT' ? 130 : 143;
    stop.abort(new Error('interrupted'));
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt).on('SIGHUP', interrupt);

  const progress = new Progress(process.stdout);
  const giveUp = (reason: string) => stop.abort(new Error(reason));
  const cluster = await LocalCluster.start(options, (line) => progress.note(`  ${line}`), giveUp);
  try {
    progress.note(
      `Downpour: starting nats-server, 1 gateway, 1 data-sharder, ${options.shards} parameter-shard(s), ${options.workers} worker(s)`,
    );
    await cluster.ready(options, () => {}, stop.signal);
    progress.note(`  API ${cluster.url}/v1   docs ${cluster.url}/docs   logs ${path.resolve(options.home, 'logs')}`);
    for (const earlier of await cluster.gateway.unfinishedJobs()) {
      progress.note(
        `  job ${earlier.id} of an earlier run goes on; to end it: curl -X POST ${cluster.url}/v1/jobs/${earlier.id}/cancel`,
      );
    }
    if (job) exitCode = await train(cluster, job, options, progress, stop.signal);
    if (options.keepServing) {
      progress.note(`Serving on ${cluster.url} until Ctrl-C`);
      await sleep(2 ** 30, undefined, { signal: stop.signal });
    }
  } catch (error) {
    if (exitCode === 0) {
      exitCode = 1;
      progress.end();
      const reason: unknown = stop.signal.aborted ? stop.signal.reason : error;
      console.error(`downpour: ${reason instanceof Error ? reason.message : String(reason)}`);
    }
  } finally {
    progress.end();
    if (stop.signal.aborted) console.log('stopping ...');
    await cluster.stop();
  }
  return exitCode;
}

async function train(
  cluster: LocalCluster,
  spec: JobSpecInput,
  options: StartOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  const submitted = await cluster.gateway.submit(spec);
  progress.note(`  job ${submitted.id}: ${describe(spec)}`);
  const follow = new AbortController();
  void followEvents(cluster, submitted.id, progress, AbortSignal.any([signal, follow.signal]));
  try {
    const job = await cluster.gateway.untilTerminal(submitted.id, {
      onChange: (changed) => progress.onJob(changed),
      signal,
    });
    progress.end();
    if (job.state !== 'succeeded' || !job.result) {
      console.error(`job ${job.id} ${job.state}${job.reason ? `: ${job.reason}` : ''}`);
      return 1;
    }
    await report(cluster, job, options);
    return 0;
  } catch (error) {
    // Ctrl-C: an unfinished job would go on at the next start.
    if (signal.aborted) await cluster.gateway.cancel(submitted.id).catch(() => {});
    throw error;
  } finally {
    follow.abort();
  }
}

/** The stream ends when the gateway is replaced; the display goes on with the new one. */
async function followEvents(cluster: LocalCluster, id: string, progress: Progress, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of cluster.gateway.events(id, signal)) progress.onEvent(event);
      return;
    } catch {
      await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    }
  }
}

async function report(cluster: LocalCluster, job: JobRecord, options: StartOptions): Promise<void> {
  const result = job.result;
  if (!result) return;
  const folder = path.resolve(options.home, 'models', job.id);
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(unzipSync(await cluster.gateway.model(job.id))))
    writeFileSync(path.join(folder, path.basename(name)), bytes);
  const shown: [string, string][] = [
    ...(result.accuracy === null ? [] : [['test accuracy', percent(result.accuracy)] as [string, string]]),
    ['test loss', result.loss.toFixed(4)],
    ...Object.entries(result.metrics).map(([name, value]): [string, string] => {
      const [words, shown] = shownMetric(name, value);
      return [`test ${words}`, shown];
    }),
    ['training time', `${(result.trainingMs / 1000).toFixed(1)} s`],
    ['speed', rate(result.examplesPerSecond)],
    ...job.ledger.map((ledger): [string, string] => [`shard ${ledger.shard}`, account(ledger)]),
    ['model', path.join(folder, 'model.json')],
  ];
  const width = Math.max(...shown.map(([name]) => name.length)) + 1;
  console.log(`\nTrained.\n${shown.map(([name, value]) => `  ${name.padEnd(width)} ${value}`).join('\n')}`);
}

/** A shard's account in a line. That it adds up has been checked before the job succeeded. */
export function account(ledger: ShardLedger): string {
  const { applied, expected, duplicatesDropped, lateDropped, badDropped } = ledger;
  const missing = missingPushes(ledger);
  const parts = [`${applied} of ${expected} pushes applied`];
  if (lateDropped > 0) parts.push(`${lateDropped} late dropped`);
  if (badDropped > 0) parts.push(`${badDropped} with NaN or infinity dropped`);
  if (missing > 0) parts.push(`${missing} not needed (stopped early)`);
  parts.push(`${duplicatesDropped} doubles dropped`);
  return parts.join(', ');
}

/** Does nothing when it is there. When it fails it says why and what to do; the data sharder may still find an installed one. */
function fetchFashionMnist(): void {
  spawnSync(process.execPath, [path.join(REPOSITORY, 'libs/datasets/fetch-fashion-mnist.mjs')], { stdio: 'inherit' });
}

function describe(spec: JobSpecInput): string {
  const model = 'zoo' in spec.model ? spec.model.zoo : 'a Keras topology';
  return `${model} on ${spec.dataset}, ${jobSpecSchema.shape.epochs.parse(spec.epochs)} epoch(s)`;
}

function readJob(options: StartOptions): JobSpecInput | null {
  if (options.job === null) return null;
  if ('spec' in options.job) return options.job.spec;
  try {
    return JSON.parse(readFileSync(options.job.specFile, 'utf8')) as JobSpecInput;
  } catch (error) {
    throw new UsageError(`--spec ${options.job.specFile}: ${(error as Error).message}`, { cause: error });
  }
}
