import { subjects } from '@downpour/contracts';
import type { PushHeader } from '@downpour/contracts';
import type { LoggedPush } from '@downpour/parameters';
import { isPush } from '@downpour/parameters';
import { asFloat32, encodeFrame, sliceFrame } from '@downpour/tensor';
import { until } from '@downpour/testing';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { bodyOf, coordinatorPort, patternFloats, sameBytes, startNatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsLink } from '../link/nats-link.ts';
import { sliceHeaders } from '../transport/wire.ts';
import { JetStreamPushLog } from './push-log.ts';
import { PushPublisher } from './push-publisher.ts';

let serial = 0;
const newJob = (): string => `job-${serial++}`;
const headerOf = (jobId: string, push: number, shard = 0): PushHeader => ({
  type: 'push',
  v: 1,
  jobId,
  shard,
  epoch: 0,
  chunk: 0,
  push,
  version: 0,
  examples: 64,
  worker: 'w',
});
const never = new AbortController().signal;

/** Follows a log and keeps what it hears, in a smaller form: a gradient's sum stands for it. */
const follow = async (
  log: JetStreamPushLog,
  after = 0,
  onPush: (push: LoggedPush) => void | Promise<void> = () => undefined,
) => {
  const pushes: { push: number; sequence: number; firstSequence: number; gradient: Float32Array }[] = [];
  const bad: [string, number][] = [];
  const following = await log.follow(
    after,
    async (push) => {
      if (!isPush(push)) return;
      await onPush(push);
      const { header, gradient, sequence, firstSequence } = push;
      pushes.push({ push: header.push, sequence, firstSequence, gradient: asFloat32(gradient).slice() });
    },
    (reason, sequence) => bad.push([reason, sequence]),
  );
  return { pushes, bad, ...following };
};

describe.each([
  ['1 MB', 2 ** 20, 'file'],
  ['8 MB', 8 * 2 ** 20, 'memory'],
] as const)('the push log over a server of %s payload', (_name, maxPayloadBytes, storage) => {
  let nats: NatsFixture;
  let link: NatsLink;
  let publisher: PushPublisher;
  let jobId: string;
  let log: JetStreamPushLog;
  beforeAll(async () => {
    nats = await startNatsFixture({ maxPayloadBytes });
    link = await nats.link();
    publisher = new PushPublisher(link);
  });
  afterAll(() => nats.stop());
  beforeEach(async () => {
    jobId = newJob();
    await coordinatorPort(link).createStreams(jobId, { storage, replicas: 1 });
    log = new JetStreamPushLog(link, jobId, 0);
  });
  afterEach(() => coordinatorPort(link).removeStreams(jobId));

  it('hands over what was published, in order, before and after one begins to follow', async () => {
    for (const push of [0, 1, 2])
      await publisher.publish(headerOf(jobId, push), bodyOf(patternFloats(100, push)), never);
    const { pushes, safePosition, stop } = await follow(log);
    await publisher.publish(headerOf(jobId, 3), bodyOf(patternFloats(100, 3)), never);
    await until('four pushes', () => pushes.length === 4);
    pushes.forEach(({ push, sequence, firstSequence, gradient }, index) => {
      expect([push, sequence, firstSequence]).toEqual([index, index + 1, index + 1]);
      expect(gradient).toEqual(patternFloats(100, index));
    });
    await until('the position', () => safePosition() === 4);
    await stop();
  });

  it('joins the key ranges of a shard', async () => {
    const vector = patternFloats(1000);
    await publisher.publish(headerOf(jobId, 0), bodyOf(vector.subarray(900), vector.subarray(10, 20)), never);
    const { pushes, stop } = await follow(log);
    await until('it', () => pushes.length === 1);
    expect([...pushes[0]!.gradient]).toEqual([...vector.subarray(900), ...vector.subarray(10, 20)]);
    await stop();
  });

  it('carries a push of 16 MB whole', async () => {
    const gradient = patternFloats(4 * 2 ** 20 + 3);
    await publisher.publish(headerOf(jobId, 0), bodyOf(gradient), never);
    const { pushes, stop, safePosition } = await follow(log);
    await until('it', () => pushes.length === 1);
    expect(sameBytes(pushes[0]!.gradient, gradient)).toBe(true);
    const slices = Math.ceil((gradient.byteLength + 200) / link.maxSliceBytes);
    expect(pushes[0]).toMatchObject({ firstSequence: 1, sequence: slices });
    await until('the position', () => safePosition() === slices);
    await stop();
  });

  it('keeps shards apart and mixed publishers in one order', async () => {
    const other = new PushPublisher(await nats.link());
    const length = 700_000;
    await Promise.all(
      Array.from({ length: 12 }, (_, push) =>
        (push % 2 ? publisher : other).publish(
          headerOf(jobId, push, push % 3),
          bodyOf(patternFloats(length, push)),
          never,
        ),
      ),
    );
    for (const shard of [0, 1, 2]) {
      const { pushes, bad, stop } = await follow(new JetStreamPushLog(link, jobId, shard));
      await until('four', () => pushes.length === 4, 20_000);
      expect(pushes.map(({ push }) => push).sort((a, b) => a - b)).toEqual([shard, shard + 3, shard + 6, shard + 9]);
      for (const { push, gradient } of pushes) expect(sameBytes(gradient, patternFloats(length, push))).toBe(true);
      expect(bad).toEqual([]);
      await stop();
    }
  });

  it('hands one push over at a time and goes no further than it was applied', async () => {
    for (const push of [0, 1, 2]) await publisher.publish(headerOf(jobId, push), bodyOf(patternFloats(10)), never);
    let atWork = 0;
    let release = (): void => undefined;
    const { pushes, safePosition, stop } = await follow(log, 0, async () => {
      atWork += 1;
      expect(atWork).toBe(1);
      await new Promise<void>((resolve) => (release = resolve));
      atWork -= 1;
    });
    await until('the first', () => atWork === 1);
    expect(safePosition()).toBe(0);
    release();
    await until('the second', () => pushes.length === 1 && atWork === 1);
    expect(safePosition()).toBe(1);
    const opener = setInterval(() => release(), 5);
    await until('all', () => pushes.length === 3);
    await stop();
    clearInterval(opener);
  });

  it('replays from a position, and forgets what is trimmed', async () => {
    for (const push of [0, 1, 2, 3]) await publisher.publish(headerOf(jobId, push), bodyOf(patternFloats(10)), never);
    await publisher.publish(headerOf(jobId, 9, 1), bodyOf(patternFloats(10)), never);
    expect(await log.trimmed()).toBe(false);
    await log.trim(2);
    expect(await new JetStreamPushLog(link, jobId, 1).trimmed()).toBe(true);
    const all = await follow(log);
    await until('two', () => all.pushes.length === 2);
    expect(all.pushes.map(({ push }) => push)).toEqual([2, 3]);
    await all.stop();
    const tail = await follow(log, 3);
    await until('one', () => tail.pushes.length === 1);
    expect(tail.pushes.map(({ push }) => push)).toEqual([3]);
    await tail.stop();
    // The other shard's records stay.
    const other = await follow(new JetStreamPushLog(link, jobId, 1));
    await until('its own', () => other.pushes.length === 1);
    await other.stop();
  });

  it('reports what cannot be read, and goes on', async () => {
    const js = jetstream(link.nc);
    await js.publish(subjects.push(jobId, 0), 'garbage');
    await js.publish(subjects.push(jobId, 0), encodeFrame({ type: 'push', v: 2 }));
    await js.publish(subjects.push(jobId, 0), encodeFrame(headerOf(jobId, 0)));
    await js.publish(subjects.push(jobId, 0), new Uint8Array(8), { headers: sliceHeaders('x', 5, 3, 100) });
    await publisher.publish(headerOf(jobId, 1), bodyOf(patternFloats(10)), never);
    const { pushes, bad, safePosition, stop } = await follow(log);
    await until('the good one', () => pushes.length === 1);
    expect(bad.map(([, sequence]) => sequence)).toEqual([1, 2, 3, 4]);
    expect(bad[2]![0]).toMatch(/no tensor named gradient/);
    await until('the position', () => safePosition() === 5);
    await stop();
  });

  it('stays before a push that misses slices, and a replay from there brings it', async () => {
    const js = jetstream(link.nc);
    const gradient = patternFloats(1000);
    const frame = encodeFrame(headerOf(jobId, 7), { gradient: { dtype: 'float32', shape: [1000], data: gradient } });
    const slices = sliceFrame(frame, 1600);
    expect(slices.length).toBe(3);
    const send = (index: number) =>
      js.publish(subjects.push(jobId, 0), slices[index]!, { headers: sliceHeaders('p.1', index, 3, frame.byteLength) });
    await publisher.publish(headerOf(jobId, 0), bodyOf(patternFloats(10)), never);
    await send(2);
    await publisher.publish(headerOf(jobId, 1), bodyOf(patternFloats(10)), never);
    await send(0);
    const first = await follow(log);
    await until('two', () => first.pushes.length === 2);
    await until('no further', () => first.safePosition() === 1);
    await first.stop();
    const second = await follow(log, first.safePosition());
    await send(1);
    await until('both', () => second.pushes.length === 2);
    expect(second.pushes.map(({ push, firstSequence, sequence }) => [push, firstSequence, sequence])).toEqual([
      [1, 3, 3],
      [7, 2, 5],
    ]);
    expect(sameBytes(second.pushes[1]!.gradient, gradient)).toBe(true);
    await until('the end', () => second.safePosition() === 5);
    await second.stop();
  });

  it('is given a push once more when it took so long that a follower may have given it up', async () => {
    const clock = vi.spyOn(Date, 'now');
    const begun = Date.now();
    clock.mockReturnValueOnce(begun).mockReturnValueOnce(begun + 61_000);
    await publisher.publish(headerOf(jobId, 0), bodyOf(patternFloats(4 * 2 ** 20)), never);
    clock.mockRestore();
    const { pushes, bad, stop } = await follow(log);
    await until('both', () => pushes.length === 2, 20_000);
    expect(bad).toEqual([]);
    await stop();
  });

  it('tells a publisher and a follower that the job has no log', async () => {
    await expect(publisher.publish(headerOf('no-such-job', 0), bodyOf(patternFloats(10)), never)).rejects.toMatchObject(
      {
        code: 'not-found',
      },
    );
    await expect(follow(new JetStreamPushLog(link, 'no-such-job', 0))).rejects.toMatchObject({ code: 'not-found' });
  });

  it('holds a publisher back while the log is full, until it is trimmed', async () => {
    const jsm = await jetstreamManager(link.nc);
    await jsm.streams.update(`dp-push-${jobId}`, { max_bytes: 1_000_000 });
    for (const push of [0, 1])
      await publisher.publish(headerOf(jobId, push), bodyOf(patternFloats(100_000, push)), never);
    let stored = false;
    const third = publisher
      .publish(headerOf(jobId, 2), bodyOf(patternFloats(100_000, 2)), never)
      .then(() => (stored = true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(stored).toBe(false);
    await log.trim(1);
    await third;
    const abort = new AbortController();
    const fourth = publisher.publish(headerOf(jobId, 3), bodyOf(patternFloats(100_000)), abort.signal);
    setTimeout(() => abort.abort(new Error('given up')), 100);
    await expect(fourth).rejects.toThrow('given up');
    const { pushes, stop } = await follow(log);
    await until('those that are kept', () => pushes.length === 2);
    expect(pushes.map(({ push }) => push)).toEqual([1, 2]);
    await stop();
  });
});

describe('the push log while the server is killed', () => {
  it('loses nothing, stores nothing twice and goes on by itself', async () => {
    const nats = await startNatsFixture();
    try {
      const link = await nats.link();
      const publisher = new PushPublisher(await nats.link());
      await coordinatorPort(link).createStreams('j', { storage: 'file', replicas: 1 });
      const { pushes, bad, stop } = await follow(new JetStreamPushLog(link, 'j', 0));
      const TOTAL = 60;
      const sent: Promise<void>[] = [];
      // Two slices each; four under way.
      const send = async (from: number): Promise<void> => {
        for (let push = from; push < TOTAL; push += 4)
          await publisher.publish(headerOf('j', push), bodyOf(patternFloats(300_000, push)), never);
      };
      for (const from of [0, 1, 2, 3]) sent.push(send(from));
      for (const at of [12, 30]) {
        await until(`push ${at}`, () => pushes.length >= at, 20_000);
        await nats.server.kill();
        await new Promise((resolve) => setTimeout(resolve, 300));
        await nats.server.restart();
      }
      await Promise.all(sent);
      await until('all', () => pushes.length >= TOTAL, 20_000);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(pushes.map(({ push }) => push).sort((a, b) => a - b)).toEqual(Array.from({ length: TOTAL }, (_, n) => n));
      for (const { push, gradient } of pushes) expect(sameBytes(gradient, patternFloats(300_000, push))).toBe(true);
      expect(bad).toEqual([]);
      const sequences = pushes.map(({ sequence }) => sequence);
      expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
      await stop();
    } finally {
      await nats.stop();
    }
  });
});
