import type { JobPlan } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { createLog } from '@downpour/platform';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { pause } from '../fake-cluster.ts';
import { Worker } from '../worker.ts';
import { WorkerMetrics } from '../worker.metrics.ts';
import { GroupCluster } from './group-cluster.ts';

const running: Worker[] = [];
afterEach(async () => {
  for (const worker of running.splice(0)) await worker.close();
});

function start(
  cluster: GroupCluster,
  instance: string,
  plan: JobPlan = cluster.plan,
  metrics = new WorkerMetrics(new Registry()),
): Worker {
  const worker = new Worker({
    instance,
    config: { FETCH_AHEAD: false, OUTSTANDING_PUSHES: 4, EVENT_INTERVAL_MS: 0, FINISH_GRACE_MS: 20 },
    verbs: cluster,
    evaluations: cluster.evaluations,
    metrics,
    log: createLog({ level: 'silent', format: 'json', role: 'worker', instance }),
    planWaitMs: 100,
  });
  cluster.workers.set(instance, worker);
  running.push(worker);
  worker.onPlan(plan);
  worker.start();
  return worker;
}

async function stop(cluster: GroupCluster, worker: Worker): Promise<void> {
  for (const [instance, other] of cluster.workers) if (other === worker) cluster.workers.delete(instance);
  running.splice(running.indexOf(worker), 1);
  await worker.finish();
  await worker.close();
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 5000, interval: 5 });
const queueOf = (cluster: GroupCluster) => cluster.chunks.get(cluster.plan.jobId)!;
const allTrained = async (cluster: GroupCluster) => {
  await until(() => expect(queueOf(cluster).done).toHaveLength(4));
  for (const { applied, vector } of cluster.perPartition) {
    expect(applied.size).toBe(8);
    expect(vector[0]).not.toBe(0.5);
  }
};

describe('a group of workers', () => {
  it('trains every chunk together, each member pushing its own part once', async () => {
    const cluster = new GroupCluster([0, 1, 2, 0], ['a', 'b', 'c']);
    for (const name of ['a', 'b', 'c', 'spare']) start(cluster, name);
    await allTrained(cluster);
    expect(cluster.perPartition.map(({ duplicatesDropped }) => duplicatesDropped)).toEqual([0, 0, 0]);
    expect(cluster.problems()).toEqual([]);
    expect(cluster.perPartition.map(({ vector }) => vector.length)).toEqual([2, 1, 1]);
    // Only where the output is.
    const reports = cluster.events.flatMap(({ event }) => (event.type === 'worker' ? [event.instance] : []));
    expect(new Set(reports)).toEqual(new Set(['a']));
    for (const { kept } of cluster.computes) expect(kept.size).toBe(0);
  });

  it('measures how long each partition computes, forward and backward', async () => {
    const cluster = new GroupCluster([0, 1], ['a', 'b']);
    const registry = new Registry();
    const metrics = new WorkerMetrics(registry);
    ['a', 'b'].forEach((name) => start(cluster, name, cluster.plan, metrics));
    await allTrained(cluster);
    const { values } = await registry.getSingleMetric('downpour_worker_partition_seconds_total')!.get();
    expect(values.map(({ labels }) => Object.values(labels).join(' ')).sort()).toEqual([
      '0 backward',
      '0 forward',
      '1 backward',
      '1 forward',
    ]);
    for (const { value } of values) expect(value).toBeGreaterThan(0);
  });

  it('goes on with another member in the place of one that is gone', async () => {
    const cluster = new GroupCluster([0, 1], ['a', 'b']);
    const [a, b] = ['a', 'b'].map((name) => start(cluster, name));
    let crossings = 0;
    cluster.beforeCrossing = async () => {
      crossings += 1;
      if (crossings === 6) void stop(cluster, b!);
      await pause(1);
    };
    await until(() => expect(cluster.workers.has('b')).toBe(false));
    expect(queueOf(cluster).done.length).toBeLessThan(4);
    const next = cluster.regrouped(2, ['a', 'c']);
    start(cluster, 'c', next);
    a!.onPlan(next);
    await allTrained(cluster);
    expect(cluster.problems()).toEqual([]);
  });

  it('goes on under another leader', async () => {
    const cluster = new GroupCluster([0, 1], ['a', 'b']);
    const [a, b] = ['a', 'b'].map((name) => start(cluster, name));
    let crossings = 0;
    cluster.beforeCrossing = async () => {
      if (++crossings === 5) void stop(cluster, a!);
      await pause(1);
    };
    await until(() => expect(cluster.workers.has('a')).toBe(false));
    const next = cluster.regrouped(2, ['b', 'c']);
    start(cluster, 'c', next);
    b!.onPlan(next);
    await allTrained(cluster);
    expect(cluster.perPartition[0]!.vector).toHaveLength(1);
  });

  it('begins a chunk anew when a member was restarted and knows nothing of it', async () => {
    const cluster = new GroupCluster([0, 1], ['a', 'b']);
    start(cluster, 'a');
    let b = start(cluster, 'b');
    let crossings = 0;
    cluster.beforeCrossing = async () => {
      if (++crossings === 5) {
        void stop(cluster, b);
        b = start(cluster, 'b');
      }
      await pause(1);
    };
    await allTrained(cluster);
  });

  it('says what a member cannot do', async () => {
    const cluster = new GroupCluster([0, 1], ['a', 'b']);
    cluster.openPartition = (_, partition) =>
      partition === 1
        ? Promise.reject(new DownpourError('invalid-model', 'The partition does not fit'))
        : GroupCluster.prototype.openPartition.call(cluster, cluster.plan, partition);
    ['a', 'b'].forEach((name) => start(cluster, name));
    await until(() => expect(cluster.problems().length).toBeGreaterThan(0));
    expect(cluster.problems()[0]).toMatchObject({ fatal: true, message: 'The partition does not fit', instance: 'a' });
  });

  it('does not keep its leader from leaving, though a member cannot be told of what was given up', async () => {
    const cluster = new GroupCluster([0, 1], ['a', 'b']);
    let toldOfEnd = 0;
    cluster.askMember = async (_, { ask }, signal) => {
      const reply = { type: 'groupWork', v: 1 } as const;
      if (ask.kind === 'begin') return { ...reply, state: 'working' };
      if (ask.kind === 'wait') return { ...reply, state: 'failed', error: { code: 'internal', message: 'by chance' } };
      toldOfEnd += 1;
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    };
    cluster.sendCrossing = (_, __, ___, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    const a = start(cluster, 'a');
    await until(() => expect(toldOfEnd).toBe(1));
    // The chunk is tried again, and waits for the member to know.
    await pause(600);
    expect(toldOfEnd).toBe(1);
    await a.finish();
    expect(queueOf(cluster).held).toBe(0);
  });

  it('evaluates together, wherever the task was taken', async () => {
    const cluster = new GroupCluster([0, 1], ['a', 'b']);
    ['a', 'b', 'spare'].forEach((name) => start(cluster, name));
    await allTrained(cluster);
    cluster.evaluations.add({ type: 'evaluate', v: 1, jobId: cluster.plan.jobId, epoch: 1, final: true });
    await until(() => expect(cluster.evaluations.done).toHaveLength(1));
    const [evaluation] = cluster.events.flatMap(({ event }) => (event.type === 'evaluation' ? [event] : []));
    expect(evaluation).toMatchObject({ instance: 'a', final: true, evaluation: { examples: 40 } });
    const [w0, w1] = cluster.perPartition.map(({ vector }) => vector[0]!);
    const mean = Array.from({ length: 40 }, (_, i) => (i + 1) / 40).reduce((sum, x) => sum + x, 0) / 40;
    expect(evaluation!.evaluation.loss).toBeCloseTo(w0! * w1! * mean, 5);
    const weights = cluster.objects.get(`jobs/${cluster.plan.jobId}/weights.bin`)!;
    expect([...new Float32Array(weights.slice().buffer)]).toEqual([w0, w1]);
  });
});
