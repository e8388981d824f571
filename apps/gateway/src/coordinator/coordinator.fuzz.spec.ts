import type { JobEvent } from '@downpour/contracts';
import { jobEventSchema, jobRecordSchema, subjects } from '@downpour/contracts';
import { Fixture } from '@downpour/jobs/testing';
import { EventBus, NatsCoordinatorPort, RequestClient } from '@downpour/nats';
import { Loopback, MutatedFrames } from '@downpour/nats/testing';
import { fuzzPlan, mutateBytes, mutateValue, SeededRandom, tellFuzz } from '@downpour/testing';
import { describe, expect, it } from 'vitest';

const { frames, seed, timeoutMs } = fuzzPlan();
const EVENTS_A_TICK = 100;
const at = '2026-11-24T12:00:00.000Z';
const ledger = {
  shard: 0,
  instance: 's1',
  expected: 200,
  applied: 7,
  duplicatesDropped: 0,
  lateDropped: 0,
  badDropped: 0,
  refused: 0,
  examplesApplied: 70,
  examplesDropped: 0,
  badPushes: [],
};
const EVENTS: JobEvent[] = [
  { type: 'state', at, state: 'training', reason: null },
  {
    type: 'worker',
    at,
    instance: 'w1',
    examples: 100,
    examplesPerSecond: 10,
    steps: 10,
    loss: 1,
    accuracy: 0.5,
    epoch: 0,
    chunk: 1,
  },
  {
    type: 'shard',
    at,
    shard: 0,
    instance: 's1',
    ownership: 1,
    version: 7,
    controlRevision: 0,
    state: 'serving',
    reason: null,
    ledger,
    complete: false,
    stalenessMean: 0,
    stalenessMax: 0,
    bytes: 1,
    bytesIn: 1,
    bytesOut: 1,
    epochsApplied: [0, 7],
  },
  {
    type: 'evaluation',
    at,
    evaluation: { loss: 1, accuracy: 0.5, metrics: {}, examples: 100, epoch: 1, at },
    final: false,
    instance: 'w1',
  },
  { type: 'member', at, instance: 'w1', role: 'worker', change: 'joined' },
  { type: 'problem', at, instance: 'w1', code: 'x', message: 'y', fatal: false, chunk: { epoch: 0, chunk: 1 } },
];

describe('a coordinator that is told nonsense', () => {
  it(
    'keeps a whole record of each job, and leads the next one to its end',
    async () => {
      const loopback = new Loopback();
      const bus = new EventBus(loopback.link);
      const fixture = await Fixture.withMembers();
      let taken = 0;
      bus.subscribeAll((jobId, event) => {
        jobEventSchema.parse(event);
        taken += 1;
        void fixture.cluster.publishEvent(jobId, event);
      });
      const random = new SeededRandom(seed);
      let job = 0;
      const training = async (): Promise<string> => {
        const id = `job-${job++}`;
        await fixture.submit(id);
        for (let turn = 0; turn < 5; turn++) await fixture.tick();
        expect((await fixture.job(id)).state).toBe('training');
        return id;
      };
      let id = await training();
      for (let round = 0; round < frames / 2; round++) {
        const sample = random.pick(EVENTS);
        const data = random.chance(0.5)
          ? mutateBytes(random, Buffer.from(JSON.stringify(sample)))
          : Buffer.from(JSON.stringify(mutateValue(random, sample)) ?? '');
        loopback.publish(subjects.event(id), data);
        if (round % EVENTS_A_TICK !== EVENTS_A_TICK - 1) continue;
        await fixture.tick();
        const record = jobRecordSchema.parse(await fixture.job(id));
        if (record.state === 'training' && round % (100 * EVENTS_A_TICK) !== 100 * EVENTS_A_TICK - 1) continue;
        // What a shard says of itself is believed, well-formed lies too; the job after it starts anew.
        if (record.finishedAt === null) await fixture.cancel(id);
        await fixture.tick();
        id = await training();
      }
      expect(loopback.link.refusals.total).toBe(Math.ceil(frames / 2) - taken);
      await fixture.cancel(id);
      await fixture.submit('the-last');
      const last = await fixture.runToEnd('the-last');
      expect(last.state).toBe('succeeded');
      for (const { applied, expected } of last.ledger) expect(applied).toBe(expected);
      tellFuzz(`gateway: ${frames / 2} mutated events, ${taken} taken, ${job} jobs`, loopback.link.refusals.list());
      await fixture.coordinator.stop();
    },
    timeoutMs,
  );

  it(
    'takes from a shard its own account, and no other',
    async () => {
      const loopback = new Loopback();
      const requests = new RequestClient(loopback.link);
      const port = new NatsCoordinatorPort({ link: loopback.link, requests } as ConstructorParameters<
        typeof NatsCoordinatorPort
      >[0]);
      const mutated = new MutatedFrames(seed, [
        { header: { type: 'ledger', v: 1, ledger, version: 7, complete: false } },
      ]);
      loopback.link.nc.subscribe(subjects.ledger('s1'), {
        callback: (_error, { reply }) => loopback.publish(reply!, mutated.next()),
      });
      let taken = 0;
      for (let round = 0; round < frames / 2; round++) {
        const answer = await port.ledger('s1', 'job-a', 0).catch(() => null);
        if (answer === null) continue;
        taken += 1;
        expect(answer.ledger.shard).toBe(0);
      }
      expect(loopback.link.refusals.total).toBe(Math.ceil(frames / 2) - taken);
      tellFuzz(`gateway: ${frames / 2} mutated replies, ${taken} taken`, loopback.link.refusals.list());
    },
    timeoutMs,
  );
});
