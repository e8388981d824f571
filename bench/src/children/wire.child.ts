/** A process with workers that have no TensorFlow (padded-worker.ts), or with plain NATS clients (raw-nats.ts): see harness/wire-child.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { answerParent } from '../harness/child.ts';
import type { Rates, WireRequest } from '../harness/wire-child.ts';
import { PaddedWorker } from './padded-worker.ts';
import { raw, serveRaw } from './raw-nats.ts';
import { traffic } from './traffic.ts';

const PLAN_TIMEOUT_MS = 60_000;
let workers: PaddedWorker[] = [];

async function join({ natsUrl, workers: count, prepares }: Extract<WireRequest, { ask: 'join' }>): Promise<void> {
  const joined = Array.from({ length: count }, (_, i) => PaddedWorker.join(natsUrl, workers.length + i));
  workers.push(...(await Promise.all(joined)));
  if (prepares) await workers[0]!.prepare();
}

async function train(request: Extract<WireRequest, { ask: 'train' }>): Promise<Rates> {
  const { jobId, padMs, warmUpMs, windowMs, windows } = request;
  const stop = new AbortController();
  const times = workers.map(() => [] as number[]);
  const running = workers.map(async (worker, i) => {
    const plan = await worker.plan(jobId, AbortSignal.timeout(PLAN_TIMEOUT_MS));
    const onStep = () => times[i]!.push(performance.now());
    await worker.train(plan, padMs, onStep, stop.signal);
  });
  const failed = Promise.all(running).then(() => Promise.reject(new Error('The workers ended')));
  failed.catch(() => undefined);
  const beganMs = performance.now();
  // Everyone has begun.
  while (times.some(({ length }) => length < 2)) {
    await Promise.race([sleep(20), failed]);
    if (performance.now() - beganMs > PLAN_TIMEOUT_MS) throw new Error('Not every worker got a chunk');
  }
  await Promise.race([sleep(warmUpMs), failed]);
  const rates: Rates = [];
  for (let window = 0; window < windows; window++) {
    const from = performance.now();
    await Promise.race([sleep(windowMs), failed]);
    rates.push(times.reduce((sum, own) => sum + rateOf(own.filter((at) => at >= from)), 0));
  }
  stop.abort(new Error('The window is over'));
  await Promise.allSettled(running);
  return rates;
}

/** From the first step in the window to the last: no step is counted in part. */
function rateOf(times: number[]): number {
  return times.length < 2 ? 0 : (1000 * (times.length - 1)) / (times.at(-1)! - times[0]!);
}

async function answer(request: WireRequest): Promise<unknown> {
  switch (request.ask) {
    case 'join':
      return join(request);
    case 'train':
      return train(request);
    case 'traffic': {
      const [worker] = workers;
      const plan = await worker!.plan(request.jobId, AbortSignal.timeout(PLAN_TIMEOUT_MS));
      return traffic(worker!, plan, request);
    }
    case 'serveRaw':
      return serveRaw(request.natsUrl, request.name, request.partBytes);
    case 'raw':
      return raw(request.natsUrl, request.names, request.partBytes, request);
    case 'leave':
      await Promise.all(workers.map((worker) => worker.leave()));
      workers = [];
  }
}

answerParent(answer);
