import type { ValueEncoding } from '@downpour/contracts';
import { accountProblem } from '@downpour/contracts';
import { allocateEncoded, Kernels, VectorMemory } from '@downpour/kernels';
import type { Tensor } from '@downpour/tensor';
import { describe, expect, it } from 'vitest';
import { fakeGradient, fakeIdentity, fakeInitialParameters, fakePushes } from './fakes.ts';
import { ParameterShard } from './parameter-shard.ts';
import type { LoggedPush } from './ports.ts';
import { encodeSnapshot } from './snapshot/snapshot.ts';

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

/** Ones, and one NaN or infinity among them; of int8 the scale. */
const poisoned = (encoding: ValueEncoding): Pick<LoggedPush, 'gradient' | 'scales'> => {
  const tensor = (dtype: Tensor['dtype'], values: ArrayBufferView, length: number): Tensor => ({
    dtype,
    shape: [length],
    data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  });
  if (encoding === 'float32') return { gradient: tensor(encoding, Float32Array.of(1, 1, 1, 1, NaN, 1, 1), 7) };
  if (encoding === 'bfloat16')
    return { gradient: tensor(encoding, new Uint16Array(7).fill(0x3f80).fill(0xff80, 6), 7) };
  if (encoding === 'float16')
    return { gradient: tensor(encoding, new Uint16Array(7).fill(0x3c00).fill(0x7c00, 0, 1), 7) };
  return {
    gradient: tensor(encoding, new Uint8Array(7).fill(1), 7),
    scales: tensor('float32', Float32Array.of(NaN), 1),
  };
};

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
      badDropped: 0,
      refused: 0,
      examplesApplied: 8,
      examplesDropped: 0,
      badPushes: [],
    });
  });

  describe.each(['float32', 'bfloat16', 'float16', 'int8'] as const)(
    'given a %s gradient that is not finite',
    (encoding) => {
      const bad = poisoned(encoding);
      const skipping = { ...identity, onBadGradient: 'skip' as const };

      it('drops it, counts it with its worker, and never takes it again, when the job skips', () => {
        const shard = ParameterShard.initial(skipping, fakeInitialParameters());
        const before = shard.parameters.slice();
        expect(shard.apply({ ...logged(), ...bad })).toMatchObject({ kind: 'bad', fatal: false });
        expect(shard.parameters).toEqual(before);
        expect(shard.version).toBe(0);
        // Whoever computes the push again, with numbers this time: this shard has decided.
        expect(shard.apply(logged(first, ones, 2))).toEqual({ kind: 'duplicate' });
        expect(shard.account('shard-a')).toMatchObject({
          applied: 0,
          badDropped: 1,
          duplicatesDropped: 1,
          examplesDropped: 8,
          badPushes: [{ epoch: 0, chunk: 0, push: 0, worker: 'worker-a' }],
        });
      });

      it('leaves it open when the job is to fail: nothing of it is applied, and a replay says the same', () => {
        const shard = newShard();
        const before = shard.parameters.slice();
        const outcome = shard.apply({ ...logged(), ...bad });
        expect(outcome).toMatchObject({ kind: 'bad', fatal: true });
        expect(outcome).toHaveProperty('reason', expect.stringContaining('worker-a (push 0 of chunk 0 of epoch 0)'));
        expect(newShard().apply({ ...logged(), ...bad })).toEqual(outcome);
        expect(shard.parameters).toEqual(before);
        expect(shard.account('shard-a')).toMatchObject({ applied: 0, badDropped: 0 });
      });
    },
  );

  it('drops a push whose worker found it bad, on every shard alike: there is no gradient in it', () => {
    const shard = ParameterShard.initial({ ...identity, onBadGradient: 'skip' }, fakeInitialParameters());
    const nothing: Tensor = { dtype: 'float32', shape: [0], data: new Uint8Array(0) };
    expect(shard.apply(logged({ ...first!, bad: true }, nothing))).toMatchObject({ kind: 'bad', fatal: false });
    expect(shard.apply(logged(second, nothing, 2))).toMatchObject({ kind: 'refused' });
    expect(shard.account('shard-a')).toMatchObject({ badDropped: 1, refused: 1, applied: 0 });
  });

  it('ends with a ledger that adds up, and the same bits after a replay, when some of its pushes were bad', () => {
    const skipping = { ...identity, onBadGradient: 'skip' as const };
    const replay = () => {
      const shard = ParameterShard.initial(skipping, fakeInitialParameters());
      for (const [at, push] of fakePushes(identity).entries()) {
        const gradient = at % 3 === 1 ? poisoned('float32').gradient : fakeGradient(7, at);
        shard.apply(logged(push, gradient, at + 1));
      }
      return shard;
    };
    const [once, again] = [replay(), replay()];
    expect(Buffer.compare(encodeSnapshot(once, 16), encodeSnapshot(again, 16))).toBe(0);
    expect(accountProblem(once.account('shard-a'), identity.chunks, false)).toBeNull();
    expect(once.ledger).toMatchObject({ complete: true, applied: 11, badDropped: 5 });
    expect([...once.parameters].every(Number.isFinite)).toBe(true);
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
    { what: 'a half of too many values', gradient: { ...ones, dtype: 'bfloat16' as const }, reason: 'shape [7]' },
    {
      what: 'int8 without scales',
      gradient: { ...ones, dtype: 'int8' as const, data: new Uint8Array(7) },
      reason: 'no scales',
    },
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

  it('refuses int8 with scales that are too few', () => {
    const gradient: Tensor = { dtype: 'int8', shape: [7], data: new Uint8Array(7) };
    const scales: Tensor = { dtype: 'float32', shape: [0], data: new Uint8Array(0) };
    const outcome = newShard().apply({ ...logged(first, gradient), scales });
    expect(outcome).toEqual({ kind: 'refused', reason: 'its scales are float32 of shape [0], not float32 of [1]' });
  });

  it.each<ValueEncoding>(['bfloat16', 'float16', 'int8'])(
    'applies a gradient in %s as the float32 that it decodes to, state included',
    (dtype) => {
      const memory = VectorMemory.create(4096);
      const { codecs } = Kernels.of(memory);
      const [values, encoded] = [memory.float32(7), allocateEncoded(memory, dtype, 7)];
      values.set(Float32Array.from({ length: 7 }, (_, index) => Math.sin(index + 1)));
      codecs.encode(values, encoded);
      codecs.decode(encoded, values);
      const tensor = (type: Tensor['dtype'], data: ArrayBufferView, length = 7): Tensor => ({
        dtype: type,
        shape: [length],
        data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      });
      const [coded, plain] = [newShard(), newShard()];
      const scales = encoded.scales === undefined ? undefined : tensor('float32', encoded.scales, 1);
      expect(coded.apply({ ...logged(first, tensor(dtype, encoded.codes)), scales }).kind).toBe('applied');
      plain.apply(logged(first, tensor('float32', values)));
      expect(coded.parameters).toEqual(plain.parameters);
      expect(coded.parameters).not.toEqual(newShard().parameters);
    },
  );

  it('gives its parameters in any encoding, encoded once a version', () => {
    const shard = newShard();
    const bytes = (array: Uint16Array) => new Uint8Array(array.buffer);
    const parameters = (dtype: Tensor['dtype'], data: ArrayBufferView) => ({ dtype, shape: [7], data });
    expect(shard.encoded('float32')).toEqual({ parameters: parameters('float32', shard.parameters) });
    shard.parameters.fill(1.5);
    const halves = {
      bfloat16: bytes(new Uint16Array(7).fill(0x3fc0)),
      float16: bytes(new Uint16Array(7).fill(0x3e00)),
    };
    const half = shard.encoded('bfloat16');
    expect(half).toEqual({ parameters: parameters('bfloat16', halves.bfloat16) });
    expect(shard.encoded('bfloat16')).toBe(half);
    expect(shard.encoded('float16')).toEqual({ parameters: parameters('float16', halves.float16) });
    expect(shard.encoded('bfloat16')).toEqual({ parameters: parameters('bfloat16', halves.bfloat16) });
    expect(shard.encoded('int8')).toEqual({
      parameters: parameters('int8', new Uint8Array(7).fill(127)),
      scales: { dtype: 'float32', shape: [1], data: Float32Array.of(1.5 / 127) },
    });
    shard.apply(logged());
    // 1.5 - 0.5 * 1 where a value is trainable, 1.5 + 1 where it is state.
    const after = bytes(Uint16Array.of(...new Array<number>(5).fill(0x3f80), 0x4020, 0x4020));
    expect(shard.encoded('bfloat16')).toEqual({ parameters: parameters('bfloat16', after) });
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
