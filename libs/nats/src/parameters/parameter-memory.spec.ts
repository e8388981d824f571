import type { EncodingSpec, KeyRange } from '@downpour/contracts';
import { INT8_BLOCK } from '@downpour/contracts';
import type { DType, OutgoingTensor, Tensor } from '@downpour/tensor';
import { describe, expect, it } from 'vitest';
import { patternFloats, planOf } from '../fixture/nats-fixture.ts';
import { ParameterMemory } from './parameter-memory.ts';

const LENGTH = 1000;
/** A shard of two ranges, and one of one. */
const RANGES: KeyRange[][] = [
  [
    { begin: 0, end: 300 },
    { begin: 701, end: LENGTH },
  ],
  [{ begin: 300, end: 701 }],
];
const memoryOf = (encoding: EncodingSpec, vectors = 2): ParameterMemory => {
  const plan = planOf(
    'job',
    LENGTH,
    RANGES.map((ranges, shard) => ({ shard, ranges, instance: 's', ownership: 1 })),
  );
  return new ParameterMemory({ ...plan, spec: { ...plan.spec, encoding } }, vectors);
};
const bytesOf = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength).slice();
const joined = ({ data }: OutgoingTensor): Uint8Array =>
  Uint8Array.from(
    Buffer.concat((ArrayBuffer.isView(data) ? [data] : (data as readonly ArrayBufferView[])).map(bytesOf)),
  );
const bfloat16 = (code: number): number => new Float32Array(Uint32Array.of(code << 16).buffer)[0]!;

/** What a shard reads from a push. */
const decoded = ({ gradient, scales }: Record<string, OutgoingTensor>): number[] => {
  const bytes = joined(gradient!);
  if (gradient!.dtype === 'float32') return [...new Float32Array(bytes.buffer)];
  if (gradient!.dtype === 'bfloat16') return [...new Uint16Array(bytes.buffer)].map(bfloat16);
  if (gradient!.dtype === 'float16')
    return [...new (globalThis as unknown as { Float16Array: Float32ArrayConstructor }).Float16Array(bytes.buffer)];
  const scale = new Float32Array(joined(scales!).buffer);
  return [...new Int8Array(bytes.buffer)].map((code, i) => Math.fround(scale[Math.floor(i / INT8_BLOCK)]! * code));
};
const truth = (values: Float32Array, ranges: KeyRange[]): number[] =>
  ranges.flatMap(({ begin, end }) => [...values.subarray(begin, end)]);

describe('the memory of a job on a worker', () => {
  it('adds up squares, scales and clamps its own vectors, also parts of them, and no others', () => {
    const memory = memoryOf({ gradients: 'float32', parameters: 'float32' });
    const part = memory.allocate()!.subarray(1, 4);
    part.set([1, -2, 3]);
    expect(memory.sumOfSquares(part)).toBe(14);
    expect(memory.clamp(2, part) && memory.scale(0.5, part)).toBe(true);
    expect([...part]).toEqual([0.5, -1, 1]);
    const other = Float32Array.of(5);
    expect(memory.sumOfSquares(other)).toBeUndefined();
    expect(memory.clamp(2, other) || memory.scale(0.5, other)).toBe(false);
    expect(other[0]).toBe(5);
  });

  it.each([
    ['bfloat16', 1 / 256],
    ['int8', 1 / 127],
    ...('Float16Array' in globalThis ? ([['float16', 1 / 2048]] as const) : []),
  ] as const)(
    'sends in %s what was asked for in the long run: what rounding takes away comes with the next push',
    (gradients, step) => {
      const memory = memoryOf({ gradients, parameters: 'float32' });
      const gradient = memory.allocate()!;
      gradient.set(patternFloats(LENGTH).map((value) => (value - 60) / 7));
      const PUSHES = 50;
      for (const [shard, ranges] of RANGES.entries()) {
        const sum = new Float64Array(truth(gradient, ranges).length);
        let first: number[] = [];
        for (let push = 0; push < PUSHES; push++) {
          const tensors = memory.encode(gradient, shard, ranges);
          expect(tensors['gradient']).toMatchObject({ dtype: gradients, shape: [sum.length] });
          const values = decoded(tensors);
          if (push === 0) first = values;
          values.forEach((value, i) => (sum[i]! += value));
        }
        const most = Math.max(...truth(gradient, ranges).map(Math.abs));
        for (const [i, value] of truth(gradient, ranges).entries()) {
          expect(Math.abs(first[i]! - value)).toBeLessThanOrEqual(most * step);
          expect(Math.abs(sum[i]! - PUSHES * value)).toBeLessThanOrEqual(most * step * 1.5);
        }
      }
    },
  );

  it('sends float32 to the bit, from any memory', () => {
    const memory = memoryOf({ gradients: 'float32', parameters: 'float32' });
    const gradient = patternFloats(LENGTH);
    for (const [shard, ranges] of RANGES.entries())
      expect(decoded(memory.encode(gradient, shard, ranges))).toEqual(truth(gradient, ranges));
  });

  it.each(['own', 'foreign'])('reads bfloat16 parameters into %s memory, each range to its place', (whose) => {
    const memory = memoryOf({ gradients: 'float32', parameters: 'bfloat16' });
    const into = whose === 'own' ? memory.allocate()! : new Float32Array(LENGTH);
    for (const ranges of RANGES) {
      const places = ranges.flatMap(({ begin, end }) => Array.from({ length: end - begin }, (_, i) => begin + i));
      const codes = Uint16Array.from(places, (place) => 0x3f80 + (place % 64));
      // From a receive buffer: at an odd byte.
      const received = new Uint8Array(1 + codes.byteLength);
      received.set(bytesOf(codes), 1);
      const tensor: Tensor = { dtype: 'bfloat16', shape: [codes.length], data: received.subarray(1) };
      memory.decode({ parameters: tensor }, into, ranges);
    }
    expect([...into]).toEqual(Array.from({ length: LENGTH }, (_, place) => bfloat16(0x3f80 + (place % 64))));
  });

  it.each(['own', 'foreign'])('reads int8 parameters with their scales into %s memory', (whose) => {
    const memory = memoryOf({ gradients: 'float32', parameters: 'int8' });
    const into = whose === 'own' ? memory.allocate()! : new Float32Array(LENGTH);
    for (const ranges of RANGES) {
      const places = ranges.flatMap(({ begin, end }) => Array.from({ length: end - begin }, (_, i) => begin + i));
      const scales = Float32Array.from({ length: Math.ceil(places.length / 256) }, () => 0.5);
      const data = bytesOf(Int8Array.from(places, (place) => (place % 100) - 50));
      const tensor: Tensor = { dtype: 'int8', shape: [places.length], data };
      const scaled: Tensor = { dtype: 'float32', shape: [scales.length], data: bytesOf(scales) };
      expect(() => memory.decode({ parameters: tensor }, into, ranges)).toThrow(/shard sent/);
      memory.decode({ parameters: tensor, scales: scaled }, into, ranges);
    }
    expect([...into]).toEqual(Array.from({ length: LENGTH }, (_, place) => ((place % 100) - 50) / 2));
  });

  it.each<[DType, number]>([
    ['bfloat16', 10],
    ['int8', 300],
    ['float32', 10],
  ])('refuses parameters that are not as many (%s)', (dtype, bytes) => {
    const memory = memoryOf({ gradients: 'float32', parameters: 'bfloat16' });
    const tensor: Tensor = { dtype, shape: [bytes], data: new Uint8Array(bytes) };
    expect(() => memory.decode({ parameters: tensor }, new Float32Array(LENGTH), RANGES[1]!)).toThrow(/shard sent/);
  });

  it('gives as many vectors as it was made for, in memory that other threads see', () => {
    const memory = memoryOf({ gradients: 'int8', parameters: 'bfloat16' }, 3);
    const vectors = [memory.allocate(), memory.allocate(), memory.allocate()];
    expect(vectors.map((vector) => vector?.length)).toEqual([LENGTH, LENGTH, LENGTH]);
    expect(vectors[0]!.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(memory.allocate()).toBeNull();
  });
});
