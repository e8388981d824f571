import type { PushHeader, VectorOperation } from '@downpour/contracts';
import type { Tensor } from '@downpour/tensor';
import { describe, expect, it } from 'vitest';
import type { ShardIdentity } from '../shard-identity.ts';
import { sealSnapshot } from '../snapshot/snapshot.ts';
import { BatchShard } from './batch-shard.ts';
import { openIteration } from './iteration-file.ts';

const LENGTH = 5;
const identity: ShardIdentity = {
  jobId: 'job',
  shard: 1,
  ranges: [{ begin: 3, end: 8 }],
  length: LENGTH,
  trainableLength: LENGTH,
  jobLength: 10,
  rule: { kind: 'sgd', learningRate: 1 },
  chunks: { examples: 25, chunkSize: 10, batchSize: 5, nPush: 2, epochs: 9, seed: 1 },
  onBadGradient: 'fail',
} as ShardIdentity;

const floats = (...values: number[]): Tensor => {
  const data = Float32Array.from(values);
  return { dtype: 'float32', shape: [values.length], data: new Uint8Array(data.buffer) };
};
const header = (chunk: number, more: Partial<PushHeader> = {}): PushHeader => ({
  type: 'push',
  v: 1,
  jobId: 'job',
  shard: 1,
  epoch: 0,
  chunk,
  push: 0,
  version: 1,
  examples: chunk === 2 ? 5 : 10,
  worker: 'w',
  loss: chunk + 1,
  ...more,
});
const shardAt = (...point: number[]) => BatchShard.initial(identity, 2, Float32Array.from(point));
const gather: VectorOperation = { op: 'gather', evaluation: 0, version: 1 };
const gathered: VectorOperation = { op: 'gathered', evaluation: 0 };
const dot = (x: string, y: string): VectorOperation => ({ op: 'dot', x, y });
const pointOf = (shard: BatchShard) => [...(shard.point('point')['parameters']!.data as Float32Array)];

describe('BatchShard', () => {
  it('does what it is told with named vectors', () => {
    const shard = shardAt(1, 2, 3, 4, 5);
    const { scalars } = shard.operate([
      { op: 'copy', from: 'point', into: 'd' },
      { op: 'scale', vector: 'd', factor: -2 },
      { op: 'axpy', factor: 0.5, x: 'd', y: 'point' },
      dot('point', 'point'),
      { op: 'multiply', x: 'd', y: 'd' },
      dot('d', 'never written'),
      dot('d', 'd'),
    ]);
    expect(scalars).toEqual([0, 0, 16 * (1 + 16 + 81 + 256 + 625)]);
  });

  it('adds up an evaluation: each portion once, late and stale ones dropped', () => {
    const shard = shardAt(0, 0, 0, 0, 0);
    expect(shard.apply(header(0), floats(1, 1, 1, 1, 1)).kind).toBe('duplicate');
    shard.operate([gather]);
    expect(() => shard.operate([gathered])).toThrow('0 of 3 portions');
    expect(shard.apply(header(2), floats(25, 0, 0, 0, 0)).kind).toBe('applied');
    expect(shard.apply(header(0), floats(0, 25, 0, 0, 0)).kind).toBe('applied');
    expect(shard.apply(header(0), floats(9, 9, 9, 9, 9)).kind).toBe('duplicate');
    expect(shard.apply(header(1, { version: 0 }), floats(9, 9, 9, 9, 9)).kind).toBe('duplicate');
    expect(shard.apply(header(1), floats(0, 0, 50, 0, 0)).kind).toBe('applied');
    const { scalars } = shard.operate([gathered, dot('gradient', 'gradient')]);
    expect(scalars).toEqual([6 / 25, 1 + 1 + 4]);
    expect(shard.account('i')).toMatchObject({ applied: 3, duplicatesDropped: 3, examplesApplied: 25, refused: 0 });
    expect(shard.apply(header(1), floats(0, 0, 50, 0, 0)).kind).toBe('duplicate');
  });

  it('tells of a point where the loss is not finite by a loss that is none, and goes on', () => {
    const shard = shardAt(0, 0, 0, 0, 0);
    shard.operate([gather]);
    shard.apply(header(0), floats(1, 1, 1, 1, 1));
    shard.apply(header(1), floats(1, NaN, 1, 1, 1));
    const { loss: _, ...bad } = header(2);
    shard.apply({ ...bad, bad: true }, floats());
    const { scalars } = shard.operate([gathered, dot('gradient', 'gradient')]);
    expect(scalars[0]).toBeNaN();
    expect(scalars[1]).toBeCloseTo(5 / 625, 8);
    expect(shard.account('i')).toMatchObject({ applied: 1, badDropped: 2 });
    shard.operate([{ op: 'gather', evaluation: 1, version: 2 }]);
    expect(shard.version).toBe(2);
  });

  it.each([
    ['another shard', header(0, { shard: 0 }), floats(1, 1, 1, 1, 1)],
    ['no portion', header(3), floats(1, 1, 1, 1, 1)],
    ['examples', header(1, { examples: 9 }), floats(1, 1, 1, 1, 1)],
    ['no loss', { ...header(0), loss: undefined } as unknown as PushHeader, floats(1, 1, 1, 1, 1)],
    ['the length', header(0), floats(1, 1, 1, 1)],
  ])('refuses a push that is none of its: %s', (_, push, gradient) => {
    const shard = shardAt(0, 0, 0, 0, 0);
    shard.operate([gather]);
    expect(shard.apply(push, gradient).kind).toBe('refused');
    expect(shard.account('i')).toMatchObject({ applied: 0, refused: 1 });
  });

  it('keeps an iteration, and is the same after it was read again', async () => {
    const shard = shardAt(1, 2, 3, 4, 5);
    shard.operate([gather]);
    for (const chunk of [0, 1, 2]) shard.apply(header(chunk), floats(chunk, 1, 1, 1, 1));
    const { commits } = shard.operate([
      gathered,
      { op: 'copy', from: 'gradient', into: 'g0' },
      { op: 'commit', iteration: 4, vectors: ['g0'], state: '{"any":1}' },
      { op: 'scale', vector: 'point', factor: 7 },
      { op: 'gather', evaluation: 1, version: 5 },
    ]);
    expect([...(shard.point('accepted')['parameters']!.data as Float32Array)]).toEqual([1, 2, 3, 4, 5]);
    expect(shard.acceptedVersion).toBe(1);
    expect(commits).toHaveLength(1);
    const bytes = await sealSnapshot(commits[0]!.file);
    const stored = await openIteration(bytes, identity);
    expect(stored).toMatchObject({ iteration: 4, state: '{"any":1}', version: 1 });
    const again = BatchShard.restore(identity, 2, stored);
    expect(pointOf(again)).toEqual([1, 2, 3, 4, 5]);
    expect(again.operate([dot('g0', 'g0')]).scalars).toEqual(shard.operate([dot('g0', 'g0')]).scalars);
    expect(again.account('i')).toEqual({ ...shard.account('i') });
    bytes[200]! ^= 1;
    await expect(openIteration(bytes, identity)).rejects.toThrow('digest');
    bytes[200]! ^= 1;
    await expect(openIteration(bytes, { ...identity, shard: 2 })).rejects.toThrow('shard');
  });

  it('gives a checkpoint the accepted point with the ledger of then, whatever it is at', () => {
    const shard = shardAt(1, 2, 3, 4, 5);
    shard.operate([gather]);
    for (const chunk of [0, 1, 2]) shard.apply(header(chunk), floats(1, 1, 1, 1, 1));
    shard.operate([
      gathered,
      { op: 'commit', iteration: 0, vectors: [], state: '{}' },
      { op: 'scale', vector: 'point', factor: 7 },
      { op: 'gather', evaluation: 1, version: 2 },
    ]);
    shard.apply(header(0, { epoch: 1, version: 2 }), floats(1, 1, 1, 1, 1));
    const { description, vectors } = shard.capture();
    expect(description).toMatchObject({ version: 1, ledger: { closed: [[0, 1]], open: [] } });
    expect([...vectors[0]!]).toEqual([1, 2, 3, 4, 5]);
  });

  it('has a version for each point, and none twice', () => {
    const shard = shardAt(0, 0, 0, 0, 0);
    shard.operate([{ op: 'gather', evaluation: 0, version: 3 }]);
    expect(() => shard.operate([{ op: 'gather', evaluation: 1, version: 3 }])).toThrow('version 3 already');
    expect(() => shard.operate([{ op: 'gather', evaluation: 9, version: 4 }])).toThrow('no evaluation 9');
  });
});
