import type { JobPlan } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { createLog } from '@downpour/platform';
import type { PullOptions } from '@downpour/training';
import type { FakeParameters } from '@downpour/training/fakes';
import { fakePlan } from '@downpour/training/fakes';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FakeCluster, pause } from './fake-cluster.ts';
import { Worker } from './worker.ts';
import { WorkerMetrics } from './worker.metrics.ts';

const log = createLog({ level: 'silent', format: 'json', role: 'worker', instance: 'worker-1' });
const running: Worker[] = [];
afterEach(async () => {
  for (const worker of running.splice(0)) {
    await worker.finish();
    await worker.close();
  }
});

function startWorker(cluster: FakeCluster, instance = 'worker-1', graceMs = 1000) {
  const worker = new Worker({
    instance,
    config: { FETCH_AHEAD: true, OUTSTANDING_PUSHES: 4, EVENT_INTERVAL_MS: 0, FINISH_GRACE_MS: graceMs },
    verbs: cluster,
    evaluations: cluster.evaluations,
    metrics: new WorkerMetrics(new Registry()),
    log,
    planWaitMs: 100,
  });
  worker.start();
  running.push(worker);
  return worker;
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 5000, interval: 5 });

function withJob(options: Parameters<typeof fakePlan>[0] = {}) {
  const cluster = new FakeCluster();
  const plan = fakePlan(options);
  const replica = cluster.addJob(plan);
  return {
    cluster,
    plan,
    replica,
    queue: cluster.chunks.get(plan.jobId)!,
    parameters: cluster.parameters.get(plan.jobId)!,
  };
}

describe('a worker', () => {
  it('trains every chunk of a job and acknowledges each', async () => {
    const { cluster, plan, queue, parameters } = withJob({ examples: 100, chunkSize: 20 });
    startWorker(cluster).onPlan(plan);
    await until(() => expect(queue.done).toHaveLength(5));
    expect(parameters.applied.size).toBe(20);
    expect(parameters.duplicatesDropped).toBe(0);
    expect(cluster.problems()).toEqual([]);
    expect(cluster.givenBack).toBe(5);
  });

  it('has the next chunk and its examples while it trains one, and never more', async () => {
    const { cluster, plan, queue, replica } = withJob({ examples: 100, chunkSize: 20 });
    const held: number[] = [];
    replica.before = async () => {
      await pause(5);
      held.push(queue.held);
    };
    startWorker(cluster).onPlan(plan);
    await until(() => expect(queue.done).toHaveLength(5));
    // In training, ahead, and the one before whose acknowledgement is under way.
    expect(Math.max(...held)).toBeLessThanOrEqual(3);
    expect(held.filter((count) => count >= 2).length).toBeGreaterThan(10);
  });

  it('shares its time between two jobs', async () => {
    const cluster = new FakeCluster();
    const plans = ['small', 'large'].map((jobId) => fakePlan({ jobId, examples: 400, chunkSize: 10, batchSize: 5 }));
    const [small, large] = plans.map((plan) => cluster.addJob(plan));
    small!.before = () => pause(2);
    large!.before = () => pause(8);
    const worker = startWorker(cluster);
    for (const plan of plans) worker.onPlan(plan);
    await until(() => expect(cluster.chunks.get('large')!.done.length).toBeGreaterThan(8));
    const ratio = cluster.chunks.get('small')!.done.length / cluster.chunks.get('large')!.done.length;
    expect(ratio).toBeGreaterThan(2);
    expect(ratio).toBeLessThan(7);
  });

  it('leaves a warmstart to the worker it names, and joins when it is over', async () => {
    const { cluster, plan, queue } = withJob();
    const worker = startWorker(cluster);
    worker.onPlan({ ...plan, warmstartWorker: 'worker-2' });
    await pause(50);
    expect(queue.taken).toBe(0);
    worker.onPlan({ ...plan, warmstartWorker: null });
    await until(() => expect(queue.done).toHaveLength(2));
  });

  it('takes no chunk of a job that is finishing', async () => {
    const { cluster, plan, queue } = withJob();
    startWorker(cluster).onPlan({ ...plan, phase: 'finishing' });
    await pause(50);
    expect(queue.taken).toBe(0);
  });

  /** The fake's shard tells what it has settled of a chunk, as those of `sync` do. */
  const tellsSettled = (parameters: FakeParameters): void => {
    const pull = parameters.pull.bind(parameters);
    parameters.pull = async (into, signal, { chunk, settled }: PullOptions = {}) => {
      const own = [...parameters.applied].map((key) => key.split('/').map(Number));
      const of = own.filter(([epoch, number]) => epoch === chunk?.epoch && number === chunk?.chunk);
      if (settled) settled[0] = of.map(([, , push]) => push!);
      return pull(into, signal);
    };
  };
  const sync = { kind: 'sync', backups: 0 } as const;

  it('takes no chunk ahead where workers keep in step: the others of its step would wait for it', async () => {
    const { cluster, plan, queue, replica, parameters } = withJob({ examples: 100, chunkSize: 20 });
    tellsSettled(parameters);
    const held: number[] = [];
    replica.before = async () => {
      await pause(5);
      held.push(queue.held);
    };
    startWorker(cluster).onPlan({ ...plan, spec: { ...plan.spec, strategy: sync } });
    await until(() => expect(queue.done).toHaveLength(5));
    expect(Math.max(...held)).toBe(1);
    expect(parameters.duplicatesDropped).toBe(0);
  });

  it('finishes the chunk in hand by the strategy before, and begins the next by the one it is switched to', async () => {
    const { cluster, plan, queue, replica, parameters } = withJob({ examples: 200, chunkSize: 20 });
    const asked: (number | undefined)[] = [];
    const pull = parameters.pull.bind(parameters);
    parameters.pull = (into, signal, { clock }: PullOptions = {}) => {
      asked.push(clock?.chunk);
      return pull(into, signal);
    };
    const worker = startWorker(cluster);
    const control = { revision: 1, strategy: { kind: 'ssp', staleness: 3, nPush: 1, warmstartSteps: 0 } as const };
    // In the second of the four steps of the third chunk.
    replica.before = (step) => {
      if (step === 9) worker.onPlan({ ...plan, control: { ...control, quorum: 1, learningRateFactor: 1 } });
    };
    worker.onPlan(plan);
    await until(() => expect(queue.done).toHaveLength(10));
    const first = asked.findIndex((chunk) => chunk !== undefined);
    // Fetches of async say nothing of a clock; from then on each does.
    expect(asked[first]).toBe(3);
    expect(asked.slice(first)).not.toContain(undefined);
    expect(parameters.applied.size).toBe(40);
  });

  it('gives back a chunk whose step waits for others, when the job is finishing', async () => {
    const { cluster, plan, queue, parameters } = withJob();
    let waiting = false;
    parameters.pull = (_into, signal) =>
      new Promise((_resolve, reject) => {
        waiting = true;
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    const inStep = { ...plan, spec: { ...plan.spec, strategy: { kind: 'sync', backups: 0 } as const } };
    const worker = startWorker(cluster);
    worker.onPlan(inStep);
    await until(() => expect(waiting).toBe(true));
    worker.onPlan({ ...inStep, phase: 'finishing' });
    await until(() => expect(worker.holds(plan.jobId)).toBe(false));
    expect(queue.held).toBe(0);
    expect(queue.done).toEqual([]);
  });

  it('holds what it has in hand of a job that pauses, lets go of it, and goes on when it is resumed', async () => {
    const { cluster, plan, queue, parameters } = withJob({ examples: 2000, chunkSize: 100 });
    const worker = startWorker(cluster);
    worker.onPlan(plan);
    await until(() => expect(queue.done.length).toBeGreaterThan(1));
    expect(worker.holds(plan.jobId)).toBe(true);
    worker.onPlan({ ...plan, phase: 'pausing' });
    await until(() => expect(worker.holds(plan.jobId)).toBe(false));
    expect(queue.held).toBe(0);
    expect(parameters.applied.size).toBe(queue.done.length * 20);
    worker.onPlan({ ...plan, phase: 'paused' });
    await until(() => expect(cluster.disposed).toEqual([plan.jobId]));
    expect(worker.holds(plan.jobId)).toBe(false);
    worker.onPlan(plan);
    await until(() => expect(queue.done).toHaveLength(20));
    expect(parameters.duplicatesDropped).toBe(0);
  });

  it('lets go of a job whose plan is gone: the chunk goes back, the replica is disposed', async () => {
    const { cluster, plan, queue, replica } = withJob();
    replica.before = () => pause(10);
    const worker = startWorker(cluster);
    worker.onPlan(plan);
    await until(() => expect(replica.steps.length).toBeGreaterThan(0));
    worker.onGone(plan.jobId);
    await until(() => expect(cluster.disposed).toEqual([plan.jobId]));
    await until(() => expect(queue.held).toBe(0));
    expect(queue.done).toHaveLength(0);
    expect(cluster.problems()).toEqual([]);
  });

  it('reports a step that fails by chance, and trains the chunk at the next try', async () => {
    const { cluster, plan, queue, replica, parameters } = withJob();
    let failures = 0;
    replica.before = () => {
      if (failures++ === 0) throw new Error('out of luck');
    };
    startWorker(cluster).onPlan(plan);
    await until(() => expect(queue.done).toHaveLength(2));
    expect(cluster.problems()).toMatchObject([{ fatal: false, message: 'out of luck', chunk: { epoch: 0, chunk: 0 } }]);
    expect(parameters.applied.size).toBe(8);
  });

  it('reports a step that will always fail as fatal, and takes nothing more of the job', async () => {
    const { cluster, plan, queue, replica } = withJob();
    replica.before = () => {
      throw new DownpourError('invalid-model', 'Layer dense_1 does not fit');
    };
    startWorker(cluster).onPlan(plan);
    await until(() => expect(cluster.problems()).toHaveLength(1));
    expect(cluster.problems()[0]).toMatchObject({ fatal: true, code: 'invalid-model' });
    await until(() => expect(queue.held).toBe(0));
    const { taken } = queue;
    await pause(50);
    expect(queue.taken).toBe(taken);
  });

  it('does not try a chunk a sixth time, and names it', async () => {
    const { cluster, plan, queue, replica } = withJob();
    queue.waiting[0]!.deliveries = 5;
    startWorker(cluster).onPlan(plan);
    await until(() => expect(cluster.problems()).toHaveLength(1));
    expect(cluster.problems()[0]).toMatchObject({ fatal: true, code: 'poison-chunk', chunk: { epoch: 0, chunk: 0 } });
    expect(cluster.problems()[0]!.message).toContain('Chunk 0 of epoch 0');
    expect(replica.steps).toHaveLength(0);
  });

  it('finishes its chunk when it leaves, and gives back the one ahead', async () => {
    const { cluster, plan, queue, replica } = withJob({ examples: 100, chunkSize: 20 });
    replica.before = () => pause(10);
    const worker = startWorker(cluster);
    worker.onPlan(plan);
    await until(() => expect(replica.steps.length).toBeGreaterThan(0));
    await worker.finish();
    expect(queue.held).toBe(0);
    expect(queue.done).toHaveLength(1);
    expect(queue.waiting).toHaveLength(4);
    // It was taken once, and that is not held against it.
    expect(queue.waiting.every(({ deliveries }) => deliveries === 0)).toBe(true);
  });

  it('gives its chunk back when finishing it would take too long', async () => {
    const { cluster, plan, queue, replica, parameters } = withJob();
    replica.before = () => pause(60);
    const worker = startWorker(cluster, 'worker-1', 20);
    worker.onPlan(plan);
    await until(() => expect(replica.steps.length).toBeGreaterThan(0));
    await worker.finish();
    expect(queue.held).toBe(0);
    expect(queue.done).toHaveLength(0);
    expect(parameters.outstanding).toBe(0);
  });

  it('leaves even when its pushes cannot become durable', async () => {
    const { cluster, plan, queue, replica, parameters } = withJob();
    parameters.gate = new Promise(() => {});
    const worker = startWorker(cluster, 'worker-1', 10);
    worker.onPlan(plan);
    await until(() => expect(replica.steps.length).toBeGreaterThan(0));
    const began = performance.now();
    await worker.finish();
    expect(performance.now() - began).toBeLessThan(4000);
    expect(queue.held).toBe(0);
    expect(queue.done).toHaveLength(0);
  });

  it('two workers train each chunk once, whatever one of them gives back', async () => {
    const { cluster, plan, queue, parameters } = withJob({ examples: 400, chunkSize: 20 });
    const first = startWorker(cluster, 'worker-1', 0);
    const second = startWorker(cluster, 'worker-2');
    for (const worker of [first, second]) worker.onPlan(plan);
    await until(() => expect(queue.done.length).toBeGreaterThan(3));
    await first.finish();
    await until(() => expect(queue.done).toHaveLength(20));
    expect(parameters.applied.size).toBe(80);
  });
});

describe('an evaluation', () => {
  const task = (plan: JobPlan, final: boolean) =>
    ({ type: 'evaluate', v: 1, jobId: plan.jobId, epoch: 1, final }) as const;

  it('comes before chunks, runs over the whole test split, and is published', async () => {
    const { cluster, plan, replica } = withJob();
    plan.dataset.summary.testExamples = 2500;
    const order: string[] = [];
    replica.before = () => void order.push('step');
    cluster.beforeExamples = (split) => void order.push(split);
    cluster.evaluations.add(task(plan, false));
    const worker = startWorker(cluster);
    await pause(20);
    worker.onPlan(plan);
    await until(() => expect(cluster.evaluations.done).toHaveLength(1));
    const runs = cluster.requests.filter((request) => request.split === 'test');
    expect(runs.map(({ begin, end }) => [begin, end])).toEqual([
      [0, 1000],
      [1000, 2000],
      [2000, 2500],
    ]);
    const evaluation = cluster.events.find(({ event }) => event.type === 'evaluation')!.event;
    expect(evaluation).toMatchObject({ final: false, evaluation: { examples: 2500, epoch: 1, accuracy: null } });
    expect(cluster.objects.size).toBe(0);
  });

  it('falls back on the training split where there is no test split', async () => {
    const { cluster, plan } = withJob();
    cluster.evaluations.add(task(plan, false));
    startWorker(cluster).onPlan({ ...plan, phase: 'finishing' });
    await until(() => expect(cluster.evaluations.done).toHaveLength(1));
    expect(cluster.requests).toMatchObject([{ split: 'train', order: null, begin: 0, end: 40 }]);
  });

  it('writes the model before it tells of the last evaluation', async () => {
    const { cluster, plan, parameters } = withJob();
    parameters.vector[0] = 3;
    cluster.publish = async (jobId, event) => {
      if (event.type === 'evaluation') expect([...cluster.objects.keys()]).toHaveLength(2);
      cluster.events.push({ jobId, event });
    };
    cluster.evaluations.add(task(plan, true));
    startWorker(cluster).onPlan({ ...plan, phase: 'finishing' });
    await until(() => expect(cluster.evaluations.done).toHaveLength(1));
    const weights = cluster.objects.get(`jobs/${plan.jobId}/weights.bin`)!;
    expect(new Float32Array(weights.buffer)[0]).toBe(3);
    expect(new TextDecoder().decode(cluster.objects.get(`jobs/${plan.jobId}/model.json`))).toBe(plan.jobId);
    expect(cluster.events.at(-1)!.event).toMatchObject({
      type: 'evaluation',
      final: true,
      evaluation: { loss: expect.closeTo(0, 6) },
    });
  });

  it('that fails by chance is done at the next try', async () => {
    const { cluster, plan } = withJob();
    let failures = 0;
    cluster.beforeExamples = () => {
      if (failures++ < 2) throw new Error('no luck');
    };
    cluster.evaluations.add(task(plan, true));
    startWorker(cluster).onPlan({ ...plan, phase: 'finishing' });
    await until(() => expect(cluster.evaluations.done).toHaveLength(1));
    expect(cluster.problems().map((problem) => problem.fatal)).toEqual([false, false]);
    expect(cluster.events.at(-1)!.event.type).toBe('evaluation');
  });

  it('is dropped when its job is over', async () => {
    const { cluster, plan } = withJob();
    cluster.evaluations.add(task(plan, false));
    startWorker(cluster);
    await until(() => expect(cluster.evaluations.done).toHaveLength(1));
    expect(cluster.events).toEqual([]);
  });
});
