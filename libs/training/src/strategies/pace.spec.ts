import { describe, expect, it } from 'vitest';
import type { PullOptions } from '../ports.ts';
import { ClockPace } from './clock-pace.ts';
import { FreePace } from './free-pace.ts';
import type { Ask } from './pace.ts';
import { paceOf } from './pace.ts';
import { StepPace } from './step-pace.ts';

const CHUNK = { epoch: 2, chunk: 5 };
const signal = new AbortController().signal;

/** Two shards that answer what they have settled of the chunk; they have taken in a push as soon as it has a place. */
const shards = (...settled: number[][]) => {
  const asked: PullOptions[] = [];
  const ask: Ask = async (options) => {
    asked.push(options);
    for (const [shard, each] of settled.entries()) options.settled![shard] = each;
  };
  return { asked, ask };
};
const tick = () => new Promise((resolve) => setImmediate(resolve));

describe('the clock of ssp', () => {
  it('counts pushes over chunks, and tells it with each fetch', async () => {
    const pace = new ClockPace(1);
    expect(await pace.pullOptions(CHUNK)).toEqual({ clock: { pushes: 0, epoch: 2, chunk: 5 } });
    pace.pushed(Promise.resolve([7, 9]));
    pace.pushed(Promise.resolve([8, 10]));
    expect(await pace.pullOptions({ epoch: 3, chunk: 0 })).toEqual({
      clock: { pushes: 2, epoch: 3, chunk: 0 },
      after: [7, 9],
    });
    expect(pace.inStep).toBe(false);
    // Nothing of it comes late.
    expect(await pace.confirm(CHUNK, 2, signal)).toBe(true);
    expect([...pace.settled()]).toEqual([]);
  });
});

describe('the pace of async', () => {
  it('waits for no push of its own but those older than the newest few', async () => {
    const pace = paceOf(
      { kind: 'async', nFetch: 1, nPush: 1, warmstartSteps: 0, stalenessScaling: 'none' },
      2,
      shards().ask,
    );
    pace.pushed(Promise.resolve([3, 4]));
    pace.pushed(new Promise(() => undefined));
    expect(await pace.pullOptions(CHUNK)).toEqual({});
    pace.pushed(new Promise(() => undefined));
    expect(await pace.pullOptions(CHUNK)).toEqual({ after: [3, 4] });
  });

  it('waits for no push that has failed', async () => {
    const pace = new FreePace(0);
    pace.pushed(Promise.reject(new Error('the job has ended')));
    expect(await pace.pullOptions(CHUNK)).toEqual({ after: [] });
  });
});

describe('the pace of sync', () => {
  it('fetches only after the last push has its places, and asks for what comes after them', async () => {
    const pace = new StepPace(shards().ask);
    expect(await pace.pullOptions(CHUNK)).toMatchObject({ after: [], chunk: CHUNK });
    let durable: (places: number[]) => void = () => undefined;
    pace.pushed(new Promise((resolve) => (durable = resolve)));
    let options: PullOptions | null = null;
    const asking = Promise.resolve(pace.pullOptions(CHUNK)).then((answer) => (options = answer));
    await tick();
    expect(options).toBe(null);
    durable([7, 9]);
    await asking;
    expect(options).toMatchObject({ after: [7, 9], stepped: true });
  });

  it('waits for no push that has failed', async () => {
    const pace = new StepPace(shards().ask);
    pace.pushed(Promise.reject(new Error('the log is away')));
    expect(await pace.pullOptions(CHUNK)).toMatchObject({ after: [] });
  });

  it('skips what every shard has settled, as the last fetch has brought it', async () => {
    const pace = new StepPace(shards().ask);
    const { settled } = await pace.pullOptions(CHUNK);
    settled!.push([0, 1, 3], [3, 1]);
    expect([...pace.settled()]).toEqual([1, 3]);
    await pace.pullOptions({ epoch: 2, chunk: 6 });
    expect([...pace.settled()]).toEqual([]);
  });

  it.each([
    [
      'all pushes count',
      [
        [0, 1, 2],
        [2, 0, 1],
      ],
      true,
    ],
    [
      'one came late on one shard',
      [
        [0, 1, 2],
        [0, 2],
      ],
      false,
    ],
    ['none is settled', [[], []], false],
  ] as const)('says after a chunk whether %s', async (_, settled, counts) => {
    const { ask, asked } = shards(...settled.map((each) => [...each]));
    const pace = new StepPace(ask);
    pace.pushed(Promise.resolve([4, 4]));
    expect(await pace.confirm(CHUNK, 3, signal)).toBe(counts);
    expect(asked).toMatchObject([{ after: [4, 4], chunk: CHUNK }]);
  });
});
