import type { Tensor } from '@downpour/tensor';
import { describe, expect, it } from 'vitest';
import { fakeGradient, fakeIdentity, fakeInitialParameters, fakePushes } from './fakes.ts';
import { ParameterShard } from './parameter-shard.ts';

const identity = fakeIdentity({ rule: { kind: 'sgd', learningRate: 0.5 } });
const [first, second] = fakePushes(identity);
const ones: Tensor = { dtype: 'float32', shape: [7], data: new Uint8Array(new Float32Array(7).fill(1).buffer) };
const newShard = () => ParameterShard.initial(identity, fakeInitialParameters());
const logged = (header = first!, gradient = ones, sequence = 1) => ({
  header,
  gradient,
  sequence,
  firstSequence: sequence,
});

describe('ParameterShard', () => {
  it("begins with its own ranges of the job's initial parameters", () => {
    const initial = fakeInitialParameters();
    expect([...newShard().parameters]).toEqual([...initial.subarray(2, 7), ...initial.subarray(15, 17)]);
    expect(() => ParameterShard.initial(identity, new Float32Array(19))).toThrow('19 initial parameters');
  });

  it('puts trainable values through the update rule and adds deltas to state', () => {
    const shard = newShard();
    const before = shard.parameters.slice();
    expect(shard.apply(logged())).toEqual({ kind: 'applied', staleness: 0 });
    const change = [...shard.parameters].map((value, index) => value - before[index]!);
    for (const [index, value] of change.entries()) expect(value).toBeCloseTo(index < 5 ? -0.5 : 1, 6);
    expect(shard.version).toBe(1);
  });

  it('drops a push whose key it has applied, and one that the log delivers again', () => {
    const shard = newShard();
    shard.apply(logged(first, ones, 5));
    const after = shard.parameters.slice();
    expect(shard.apply(logged(first, ones, 6))).toEqual({ kind: 'duplicate' });
    expect(shard.apply(logged(second, ones, 6))).toEqual({ kind: 'replayed' });
    expect(shard.parameters).toEqual(after);
    expect(shard.version).toBe(1);
    expect(shard.account('shard-a')).toEqual({
      shard: 1,
      instance: 'shard-a',
      expected: 16,
      applied: 1,
      duplicatesDropped: 1,
      lateDropped: 0,
      examplesApplied: 8,
    });
  });

  it('measures staleness in its own versions', () => {
    const shard = newShard();
    const pushes = fakePushes(identity);
    expect(shard.apply(logged(pushes[0], ones, 1))).toMatchObject({ staleness: 0 });
    expect(shard.apply(logged(pushes[1], ones, 2))).toMatchObject({ staleness: 1 });
    expect(shard.apply(logged({ ...pushes[2]!, version: 2 }, ones, 3))).toMatchObject({ staleness: 0 });
    expect(shard.apply(logged({ ...pushes[3]!, version: 99 }, ones, 4))).toMatchObject({ staleness: 0 });
    expect([shard.staleness.mean, shard.staleness.max]).toEqual([0.25, 1]);
  });

  it.each([
    { what: 'another job', header: { ...first!, jobId: 'job-b' }, reason: 'job job-b' },
    { what: 'another shard', header: { ...first!, shard: 2 }, reason: 'shard 2' },
    { what: 'a push beyond the plan', header: { ...first!, chunk: 9 }, reason: 'no push 0 of chunk 9' },
    { what: 'a batch of another size', header: { ...first!, examples: 7 }, reason: '7 examples where the plan has 8' },
    { what: 'a gradient too short', gradient: fakeGradient(6, 1), reason: 'shape [6], not [7]' },
    { what: 'a gradient of rank 2', gradient: { ...ones, shape: [7, 1] }, reason: 'shape [7, 1]' },
    { what: 'another type', gradient: { ...ones, dtype: 'int32' as const }, reason: 'int32' },
  ])('refuses $what and goes on', ({ header = first!, gradient = ones, reason }) => {
    const shard = newShard();
    const before = shard.parameters.slice();
    expect(shard.apply(logged(header, gradient))).toEqual({ kind: 'refused', reason: expect.stringContaining(reason) });
    expect(shard.parameters).toEqual(before);
    expect([shard.version, shard.refused, shard.ledger.applied]).toEqual([0, 1, 0]);
    expect(shard.apply(logged(first, ones, 2)).kind).toBe('applied');
  });

  it('reads a gradient wherever it lies in its message', () => {
    const [aligned, unaligned] = [newShard(), newShard()];
    const gradient = fakeGradient(7, 3);
    const shifted = new Uint8Array(29);
    shifted.set(gradient.data, 1);
    aligned.apply(logged(first, gradient));
    unaligned.apply(logged(first, { ...gradient, data: shifted.subarray(1) }));
    expect(unaligned.parameters).toEqual(aligned.parameters);
  });

  it('is complete when every push of the job has been applied', () => {
    const shard = newShard();
    for (const [index, header] of fakePushes(identity).entries()) {
      expect(shard.ledger.complete).toBe(false);
      shard.apply(logged(header, fakeGradient(7, index), index + 1));
    }
    expect(shard.ledger.complete).toBe(true);
    expect(shard.account('shard-a')).toMatchObject({ expected: 16, applied: 16, examplesApplied: 100 });
  });

  it('serves a shard of state alone', () => {
    const state = fakeIdentity({ ranges: [{ begin: 15, end: 17 }], length: 2, trainableLength: 0 });
    const shard = ParameterShard.initial(state, new Float32Array(20));
    shard.apply(logged(first, { dtype: 'float32', shape: [2], data: new Uint8Array(new Float32Array([1, 2]).buffer) }));
    expect([...shard.parameters]).toEqual([1, 2]);
  });
});
