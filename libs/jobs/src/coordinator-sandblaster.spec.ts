import type { JobEvent, JobRecord, JobSpecInput } from '@downpour/contracts';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { pauseJob, resumeJob } from './pause.ts';
import { Fixture } from './testing/fixture.ts';

const PORTIONS = 10;
const SPEC: JobSpecInput = {
  model: { zoo: 'logistic' },
  dataset: 'mnist',
  epochs: 60,
  evaluateEvery: 5,
  strategy: { kind: 'sandblaster', lossTolerance: 1e-6 },
};

describe('a sandblaster job', () => {
  let fixture: Fixture;
  afterEach(() => fixture.coordinator.stop());

  const begin = async (spec: Partial<JobSpecInput> = {}): Promise<void> => {
    fixture = await Fixture.withMembers();
    await fixture.submit('job', { ...SPEC, ...spec });
    for (let turn = 0; turn < 4; turn++) await turnOf();
    void fixture.cluster.vectors.work('job', 'w1');
  };
  /** Shards tell of themselves, evaluations are done, and the coordinator looks. The main loop goes on meanwhile, in real time. */
  const turnOf = async (): Promise<void> => {
    if (fixture.plans.peek('job') !== null) {
      fixture.cluster.report('job');
      fixture.cluster.evaluate();
    }
    await fixture.tick();
    await sleep(5);
  };
  /** The job at its end, with the point that its shards had. */
  const end = async (): Promise<{ job: JobRecord; point: Float32Array }> => {
    let point: Float32Array = new Float32Array(0);
    for (let turn = 0; turn < 1000; turn++) {
      const job = await fixture.job('job');
      if (job.finishedAt !== null) return { job, point };
      if (job.state === 'finishing') point = fixture.cluster.vectors.point('job');
      await turnOf();
    }
    throw new Error(`It did not end: ${JSON.stringify(await fixture.job('job'))}`);
  };
  /** Does something once, when shard 1 is about to take in this portion. */
  const when = (evaluation: number, portion: number, act: () => void): { done: boolean } => {
    const it = { done: false };
    fixture.cluster.vectors.onPush = ({ epoch, chunk, shard }) => {
      if (it.done || epoch !== evaluation || chunk !== portion || shard !== 1) return;
      it.done = true;
      act();
    };
    return it;
  };
  const change = async (how: typeof pauseJob): Promise<void> => {
    const { value, revision } = (await fixture.jobs.get('job'))!;
    await fixture.jobs.update(how(value, fixture.cluster.at), revision);
  };
  /** Of a job that nothing happens to. */
  let calm: { job: JobRecord; point: Float32Array; events: JobEvent[] };
  beforeAll(async () => {
    await begin();
    calm = { ...(await end()), events: fixture.events.of('job') };
    await fixture.coordinator.stop();
  });

  it('comes to the optimum, and its account closes with as many evaluations as it took', () => {
    const { job, point, events } = calm;
    expect(job.state, job.reason ?? '').toBe('succeeded');
    // The mean of the portions' targets.
    for (const i of [0, 1, 9, 7849]) expect(point[i]).toBeCloseTo(Math.sin(i) + 0.045, 2);
    const [{ expected, applied, examplesApplied } = { expected: 0, applied: 0, examplesApplied: 0 }] = job.ledger;
    expect(applied).toBe(expected);
    expect(expected / PORTIONS).toBeGreaterThan(7);
    expect(expected / PORTIONS).toBeLessThanOrEqual(60);
    expect(examplesApplied).toBe((expected / PORTIONS) * 1000);
    expect(job.evaluations.length).toBeGreaterThan(1);
    const told = events.flatMap((event) => (event.type === 'iteration' ? [event] : []));
    expect(told.map(({ iteration }) => iteration)).toEqual(told.map((_, iteration) => iteration));
    for (const [at, { loss }] of told.entries()) if (at > 0) expect(loss).toBeLessThanOrEqual(told[at - 1]!.loss);
    expect(told.at(-1)!.evaluations).toBe(expected / PORTIONS);
    expect(told.at(-1)!.stopped).not.toBe(null);
  });

  it.each<[string, (spec: Fixture) => void]>([
    ['a shard', ({ cluster }) => cluster.leave('s2')],
    ['the coordinator', (it) => void it.replaceCoordinator()],
    [
      'a shard and the coordinator',
      (it) => {
        it.cluster.leave('s1');
        void it.replaceCoordinator();
      },
    ],
  ])('ends with the same bits when %s is lost in the midst of an evaluation', async (_, lose) => {
    await begin();
    const lost = when(5, 3, () => lose(fixture));
    const { job, point } = await end();
    expect(lost.done).toBe(true);
    expect(job.state, job.reason ?? '').toBe('succeeded');
    expect(point).toEqual(calm.point);
    expect(job.ledger.map(({ applied, expected }) => [applied, expected])).toEqual(
      calm.job.ledger.map(({ applied, expected }) => [applied, expected]),
    );
  });

  it('begins no main loop in a look that outlasts its coordinator: nobody would end it, and its portions are of no use', async () => {
    await begin();
    await fixture.replaceCoordinator();
    fixture.cluster.report('job');
    let goOn: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (goOn = resolve));
    const get = fixture.plans.get.bind(fixture.plans);
    fixture.plans.get = (id) => slow.then(() => get(id));
    const look = fixture.tick();
    await fixture.coordinator.stop();
    goOn();
    await look;
    expect(await fixture.cluster.vectors.ask('job', 'w1')).toBe(null);
  });

  it('gives a portion out again whose worker has gone, though it makes no copies', async () => {
    await begin({ strategy: { kind: 'sandblaster', lossTolerance: 1e-6, backupPortions: false } });
    fixture.cluster.join('worker', 'w2');
    let taken = null;
    for (; taken === null; await turnOf()) taken = (await fixture.cluster.vectors.ask('job', 'w2'))?.task ?? null;
    for (let turn = 0; turn < 20; turn++) await turnOf();
    expect((await fixture.job('job')).progress!.epochsDone).toBeLessThan(taken.epoch + 1);
    fixture.cluster.leave('w2');
    const { job, point } = await end();
    expect(job.state, job.reason ?? '').toBe('succeeded');
    expect(point).toEqual(calm.point);
  });

  it('gives a portion out again of which its worker was never told, though it makes no copies', async () => {
    await begin({ strategy: { kind: 'sandblaster', lossTolerance: 1e-6, backupPortions: false } });
    let taken = null;
    for (; taken === null; await turnOf()) taken = (await fixture.cluster.vectors.ask('job', 'w1'))?.task ?? null;
    const { job, point } = await end();
    expect(job.state, job.reason ?? '').toBe('succeeded');
    expect(point).toEqual(calm.point);
  });

  it('stores what it has before it is paused, and goes on from there', async () => {
    await begin();
    const { cluster } = fixture;
    const newest = () => cluster.vectors.stored.get('job/0')?.at(-1)?.iteration ?? -1;
    while (newest() < 4) await turnOf();
    await change(pauseJob);
    for (let turn = 0; turn < 100 && (await fixture.job('job')).state !== 'paused'; turn++) await turnOf();
    expect((await fixture.job('job')).state).toBe('paused');
    const [at, asked] = [newest(), cluster.vectors.operated.length];
    await sleep(50);
    expect(cluster.vectors.operated.length).toBe(asked);
    await change(resumeJob);
    const { job, point } = await end();
    expect(job.state, job.reason ?? '').toBe('succeeded');
    expect(point).toEqual(calm.point);
    const told = fixture.events.of('job').flatMap((event) => (event.type === 'iteration' ? [event.iteration] : []));
    // None of those before was done twice, but perhaps the one that was being stored.
    expect(told.length - new Set(told).size).toBeLessThanOrEqual(1);
    expect(new Set(told).size).toBeGreaterThan(at + 2);
  });
});
