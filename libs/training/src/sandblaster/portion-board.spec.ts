import { describe, expect, it } from 'vitest';
import { PortionBoard } from './portion-board.ts';

/** Workers of different speed go through one evaluation; answers how long it took and who did what. */
const evaluate = (board: PortionBoard, clock: { ms: number }, evaluation: number, speedMs: Record<string, number>) => {
  board.begin(evaluation, evaluation + 1);
  const began = clock.ms;
  const hands = new Map<string, { portion: number; at: number }>();
  const did: Record<string, number[]> = Object.fromEntries(Object.keys(speedMs).map((worker) => [worker, []]));
  while (!board.complete) {
    for (const [worker, ms] of Object.entries(speedMs)) {
      if (hands.has(worker)) continue;
      const taken = board.take(worker);
      if (taken !== null) hands.set(worker, { portion: taken.portion, at: clock.ms + ms });
    }
    clock.ms += 1;
    for (const [worker, { portion, at }] of [...hands]) {
      if (at > clock.ms) continue;
      hands.delete(worker);
      if (board.finish(worker, evaluation, portion) === 'first') did[worker]!.push(portion);
    }
  }
  // Whoever still works on a copy finds that it was late.
  for (const [worker, { portion }] of hands) board.finish(worker, evaluation, portion);
  return { ms: clock.ms - began, did };
};

describe('PortionBoard', () => {
  it('gives each worker what it had before', () => {
    const clock = { ms: 0 };
    const board = new PortionBoard(20, () => clock.ms);
    const first = evaluate(board, clock, 0, { a: 10, b: 10 });
    const second = evaluate(board, clock, 1, { a: 10, b: 10 });
    expect(second.did['a']!.toSorted()).toEqual(first.did['a']!.toSorted());
    expect(board.counts).toMatchObject({ handedOut: 40, known: 20, backups: 0 });
  });

  it('gives whoever is free what the slowest has left', () => {
    const clock = { ms: 0 };
    const board = new PortionBoard(30, () => clock.ms);
    evaluate(board, clock, 0, { a: 10, b: 10, c: 10 });
    const { did } = evaluate(board, clock, 1, { a: 10, b: 10, c: 100 });
    expect(did['c']!.length).toBeLessThan(4);
    expect([...did['a']!, ...did['b']!, ...did['c']!].toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 30 }, (_, i) => i),
    );
  });

  it('covers a straggler by copies that go out later than most came back', () => {
    const run = (backups: boolean) => {
      const clock = { ms: 0 };
      const board = new PortionBoard(40, () => clock.ms, { backups });
      const times = [0, 1, 2, 3].map(
        (evaluation) => evaluate(board, clock, evaluation, { a: 10, b: 10, c: 10, d: 200 }).ms,
      );
      return { times, counts: board.counts };
    };
    const without = run(false);
    const withBackups = run(true);
    expect(Math.min(...without.times)).toBeGreaterThanOrEqual(200);
    // Three workers alone need 140 ms.
    expect(Math.max(...withBackups.times.slice(1))).toBeLessThanOrEqual(160);
    expect(withBackups.counts.backups).toBeGreaterThan(0);
    expect(withBackups.counts.wasted).toBe(withBackups.counts.handedOut - 4 * 40);
    expect(without.counts.backups).toBe(0);
  });

  it('loses no more to a worker that is five times slower than what it does not do, where portions are small', () => {
    // Over several numbers of portions, for where the slow one is at the end of an evaluation is chance.
    const run = (slowest: number, backups: boolean) => {
      let ms = 0;
      for (let portions = 70; portions < 90; portions += 3) {
        const clock = { ms: 0 };
        const board = new PortionBoard(portions, () => clock.ms, { backups });
        const speedMs = { a: 20, b: 20, c: 20, d: slowest };
        ms += [0, 1, 2].map((evaluation) => evaluate(board, clock, evaluation, speedMs).ms).at(-1)!;
      }
      return ms;
    };
    const least = (4 / 3.2) * run(20, true);
    expect(run(100, true)).toBeLessThan(1.03 * least);
    expect(run(100, false)).toBeGreaterThan(1.03 * least);
  });

  it('does not give a worker a copy of what it holds, nor anybody a copy before the deadline', () => {
    const clock = { ms: 0 };
    const board = new PortionBoard(2, () => clock.ms);
    board.begin(0, 1);
    board.take('a');
    board.take('b');
    expect(board.deadlineMs).toBe(null);
    expect(board.take('b')).toBe(null);
    clock.ms = 100;
    board.finish('b', 0, 1);
    expect(board.deadlineMs).toBe(150);
    expect(board.take('b')).toBe(null);
    clock.ms = 151;
    expect(board.take('a')).toBe(null);
    expect(board.take('b')).toMatchObject({ portion: 0, delivery: 2 });
    expect(board.take('b')).toBe(null);
    expect(board.finish('b', 0, 0)).toBe('first');
    expect(board.complete).toBe(true);
    expect(board.finish('a', 0, 0)).toBe('late');
  });

  it('opens what a worker had that is gone, unless somebody else has it, too', () => {
    const clock = { ms: 0 };
    const board = new PortionBoard(3, () => clock.ms);
    board.begin(0, 1);
    for (const worker of ['a', 'a', 'b']) board.take(worker);
    clock.ms = 10;
    board.finish('b', 0, 2);
    clock.ms = 30;
    expect(board.take('b')).toMatchObject({ portion: 0 });
    board.leave('a');
    expect(board.take('b')).toMatchObject({ portion: 1, delivery: 2 });
    board.finish('b', 0, 0);
    board.finish('b', 0, 1);
    expect(board.complete).toBe(true);
    expect(board.counts.returned).toBe(2);
  });

  it('takes back what a worker does not have in hand: its answer was lost', () => {
    const board = new PortionBoard(2, () => 0, { backups: false });
    board.begin(3, 1);
    board.take('a');
    board.take('a');
    board.holds('a', [{ epoch: 3, chunk: 1 }]);
    expect(board.take('b')).toMatchObject({ portion: 0, delivery: 2 });
    expect(board.take('b')).toBe(null);
    board.holds('b', [{ epoch: 3, chunk: 0 }]);
    // Of an evaluation before.
    board.holds('a', [{ epoch: 2, chunk: 1 }]);
    expect(board.take('b')).toMatchObject({ portion: 1, delivery: 2 });
  });

  it('takes no answer of an evaluation before for one of this', () => {
    const board = new PortionBoard(1, () => 0);
    board.begin(0, 1);
    board.take('a');
    board.begin(1, 2);
    expect(board.take('b')).toMatchObject({ evaluation: 1, version: 2, delivery: 1 });
    expect(board.finish('a', 0, 0)).toBe('late');
    board.giveBack('a', 0, 0);
    expect(board.complete).toBe(false);
    expect(board.finish('b', 1, 0)).toBe('first');
    board.end();
    expect(board.complete).toBe(false);
    expect(board.take('b')).toBe(null);
  });
});
