import { expect, it } from 'vitest';
import { Clocks } from './clocks.ts';

const at = (worker: string, pushes: number, chunk: number) => ({ worker, pushes, epoch: 0, chunk });

it('lets a worker be so many clocks ahead of the slowest, and no more', () => {
  const clocks = new Clocks();
  clocks.tick(at('slow', 0, 0));
  for (let pushes = 0; pushes <= 3; pushes++) {
    clocks.tick(at('fast', pushes, 1));
    expect(clocks.mayGoOn('fast', 2)).toBe(pushes <= 2);
  }
  expect(clocks.mayGoOn('slow', 0)).toBe(true);
  clocks.tick(at('slow', 1, 0));
  expect(clocks.mayGoOn('fast', 2)).toBe(true);
});

it('with staleness 0 nobody goes on before all have made as many pushes', () => {
  const clocks = new Clocks();
  clocks.tick(at('a', 0, 0));
  clocks.tick(at('b', 0, 1));
  clocks.tick(at('a', 1, 0));
  expect([clocks.mayGoOn('a', 0), clocks.mayGoOn('b', 0)]).toEqual([false, true]);
  clocks.tick(at('b', 1, 1));
  expect([clocks.mayGoOn('a', 0), clocks.mayGoOn('b', 0)]).toEqual([true, true]);
});

it('begins with a late comer where the slowest is, and one that comes again, too', () => {
  const clocks = new Clocks();
  clocks.tick(at('a', 100, 0));
  clocks.tick(at('late', 0, 1));
  expect(clocks.mayGoOn('a', 0)).toBe(true);
  clocks.finished('late', 0, 1);
  clocks.tick(at('a', 200, 0));
  expect(clocks.mayGoOn('a', 0)).toBe(true);
  clocks.tick(at('late', 1, 2));
  expect([clocks.mayGoOn('a', 0), clocks.mayGoOn('late', 0)]).toEqual([true, true]);
});

it('waits for nobody who has no chunk, has left, or whose chunk another has', () => {
  const behind = () => {
    const clocks = new Clocks();
    clocks.tick(at('slow', 0, 0));
    clocks.tick(at('fast', 0, 1));
    clocks.tick(at('fast', 1, 1));
    expect(clocks.mayGoOn('fast', 0)).toBe(false);
    return clocks;
  };
  const finished = behind();
  finished.finished('slow', 0, 0);
  expect(finished.mayGoOn('fast', 0)).toBe(true);
  const earlier = behind();
  earlier.finished('slow', 0, 7);
  expect(earlier.mayGoOn('fast', 0)).toBe(false);
  const left = behind();
  left.keep(['fast']);
  expect(left.mayGoOn('fast', 0)).toBe(true);
  const taken = behind();
  taken.tick(at('heir', 0, 0));
  taken.finished('heir', 0, 0);
  expect(taken.mayGoOn('fast', 0)).toBe(true);
});
