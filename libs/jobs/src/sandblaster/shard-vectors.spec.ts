import type { JobPlan, VectorOperationsRequest } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import type { CoordinatorPort } from '../ports.ts';
import { ShardVectors } from './shard-vectors.ts';

const plan = {
  jobId: 'job',
  shards: [0, 1].map((shard) => ({ shard, ranges: [], instance: `s${shard}`, ownership: 1 })),
} as unknown as JobPlan;
const dot = { op: 'dot', x: 'g', y: 'g' } as const;
const commit = { vectors: ['baseGradient'], state: '{}' };

interface Shard {
  /** By iteration, what was stored of it. */
  stored: Map<number, string>;
  version: number;
  scalars: number[];
}

const setUp = (shards: Shard[]) => {
  const asked: VectorOperationsRequest[] = [];
  const gathered: [number, number][] = [];
  const restored: (number | null)[] = [];
  /** Thrown instead of the next answers. */
  const errors: Error[] = [];
  const of = (shard: number) => shards[shard]!;
  const newest = (shard: number) => Math.max(-1, ...of(shard).stored.keys());
  const port: Pick<CoordinatorPort, 'operateVectors' | 'restoreVectors'> = {
    operateVectors: async (_, request) => {
      asked.push(request);
      const error = errors.shift();
      if (error !== undefined) throw error;
      const { shard, round, operations } = request;
      const stored = newest(shard);
      for (const operation of operations)
        if (operation.op === 'commit') of(shard).stored.set(operation.iteration, operation.state);
      const count = operations.filter(({ op }) => op === 'dot' || op === 'gathered').length;
      return { type: 'vectorsOperated', v: 1, shard, round, scalars: of(shard).scalars.slice(0, count), stored };
    },
    restoreVectors: async (_, { shard, iteration }) => {
      restored.push(iteration);
      const at = iteration ?? newest(shard);
      const state = of(shard).stored.get(at) ?? null;
      if (iteration !== null && iteration >= 0 && state === null) throw new DownpourError('not-found', 'no more');
      return { type: 'vectorsRestored', v: 1, shard, iteration: at, state, version: of(shard).version };
    },
  };
  const gather = async (evaluation: number, version: number) => void gathered.push([evaluation, version]);
  const abort = new AbortController();
  const vectors = new ShardVectors(plan, port, 'session', gather, abort.signal);
  return { vectors, asked, gathered, restored, errors, abort };
};
const shard = (stored: Record<number, string> = {}, version = 0, scalars: number[] = []): Shard => ({
  stored: new Map(Object.entries(stored).map(([iteration, state]) => [Number(iteration), state])),
  version,
  scalars,
});

describe('ShardVectors', () => {
  it('adds up dots over the shards, and takes the loss from one of them, for each has that of the whole model', async () => {
    const { vectors, asked, gathered } = setUp([shard({}, 0, [2.5, 3]), shard({}, 0, [2.5, 4])]);
    await vectors.restore(() => 0);
    const { loss, scalars } = await vectors.evaluate([], [dot]);
    expect([loss, scalars]).toEqual([2.5, [7]]);
    expect(gathered).toEqual([[0, 1_000_001]]);
    // Two rounds, each to both.
    expect(asked.map(({ shard: index, round }) => [round, index])).toEqual([
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
    ]);
    expect(asked[0]!.operations).toEqual([{ op: 'gather', evaluation: 0, version: 1_000_001 }]);
  });

  it.each([
    ['the newest that all have', shard({ 3: 'a', 4: 'b' }), shard({ 2: '-', 3: 'a' }), 'a'],
    ['no iteration that one has of a run that was given up', shard({ 3: 'a', 4: 'b' }), shard({ 3: 'a', 4: 'x' }), 'a'],
    ['the beginning, where they have none in common', shard({ 3: 'a' }), shard({}), null],
  ])('goes back to %s', async (_, first, second, state) => {
    const { vectors } = setUp([first, second]);
    expect(await vectors.restore(() => 6)).toBe(state);
  });

  it('counts evaluations on, with versions that no point had that anybody was shown', async () => {
    const { vectors, gathered } = setUp([shard({ 3: 'a' }, 2_000_005, [1]), shard({ 3: 'a' }, 2_000_007, [1])]);
    await vectors.restore(() => 6);
    await vectors.evaluate([], []);
    expect(gathered).toEqual([[6, 3_000_008]]);
  });

  it('asks a shard again that did not answer, with the same round, and tells what is not passing', async () => {
    const { vectors, asked, errors } = setUp([shard({}, 0, [1]), shard({}, 0, [1])]);
    await vectors.restore(() => 0);
    errors.push(new DownpourError('timeout', 'busy'));
    await vectors.flush([dot]);
    expect(asked.map(({ shard: index, round }) => [round, index])).toEqual([
      [1, 0],
      [1, 1],
      [1, 0],
    ]);
    errors.push(new DownpourError('conflict', 'not at round 2'));
    await expect(vectors.flush([dot])).rejects.toThrow('not at round 2');
  });

  it('sends a commit with the next round, and begins no other before it is stored on all', async () => {
    const shards = [shard({}, 0, [1]), shard({}, 0, [1])];
    const { vectors, asked } = setUp(shards);
    await vectors.restore(() => 0);
    await vectors.commit(0, [], commit);
    expect(asked).toEqual([]);
    await vectors.evaluate([], []);
    expect(asked[0]!.operations.map(({ op }) => op)).toEqual(['commit', 'gather']);
    await vectors.commit(1, [], commit);
    expect(shards.map(({ stored }) => [...stored.keys()])).toEqual([[0], [0]]);
    await vectors.flush();
    expect(shards.map(({ stored }) => [...stored.keys()])).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  it('ends at once when it is given up', async () => {
    const { vectors, errors, abort } = setUp([shard(), shard()]);
    await vectors.restore(() => 0);
    for (let i = 0; i < 100; i++) errors.push(new DownpourError('timeout', 'gone'));
    const flushed = vectors.flush([dot]);
    abort.abort(new Error('another owner'));
    await expect(flushed).rejects.toThrow(/another owner|abort/);
  });
});
