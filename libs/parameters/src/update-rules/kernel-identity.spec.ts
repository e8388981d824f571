import type { ValueEncoding, UpdateRuleSpec } from '@downpour/contracts';
import { allocateEncoded, encodedBytes, Kernels, VectorMemory } from '@downpour/kernels';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referenceRuleOf } from './reference/rules.ts';
import { updateRuleOf } from './rules.ts';

const LENGTHS = [0, 1, 3, 4, 5, 255, 256, 257, 1000, 1024, 1027];
const STEPS = 3;
const GUARD = 12345;

const specs: UpdateRuleSpec[] = [
  { kind: 'sgd', learningRate: 0.05 },
  { kind: 'momentum', learningRate: 0.01, momentum: 0.9, nesterov: false },
  { kind: 'momentum', learningRate: 0.01, momentum: 0.9, nesterov: true },
  { kind: 'adagrad', learningRate: 0.05, initialAccumulator: 0.1 },
  { kind: 'rmsprop', learningRate: 0.001, decay: 0.9, momentum: 0, epsilon: 1e-7 },
  { kind: 'rmsprop', learningRate: 0.001, decay: 0.9, momentum: 0.7, epsilon: 1e-7 },
  { kind: 'adam', learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
];
const encodings: ValueEncoding[] = ['float32', 'bfloat16', 'float16', 'int8'];

/** Zeros, subnormals, the largest, infinities and NaN among ordinary ones. */
const odd = [0, -0, 1e-45, -1e-40, 3.4e38, -3.4e38, Infinity, -Infinity, NaN];
const value = (seed: number, i: number): number =>
  Math.sin(seed * 12.9898 + i * 78.233) * 10 ** (((i * 7 + seed) % 9) - 6);

describe.each(specs)('the kernel of $kind', (spec) => {
  const rule = updateRuleOf(spec);
  const reference = referenceRuleOf(spec);
  it.each(encodings)('gives the same bits as its plain loop, whatever the values, with gradients in %s', (encoding) => {
    fc.assert(
      fc.property(
        fc.constantFrom(...LENGTHS),
        fc.integer({ min: 0, max: 3 }),
        fc.nat(9999),
        fc.dictionary(fc.nat(1100).map(String), fc.constantFrom(...odd), { maxKeys: 4 }),
        (length, shift, seed, oddAt) => {
          const memory = VectorMemory.create(32 * length + 2 * encodedBytes(encoding, length) + 4096);
          const { rules, codecs } = Kernels.of(memory);
          const guarded = () => {
            const room = memory.float32(length + 1).fill(GUARD);
            return room.subarray(0, length);
          };
          const slots = rule.slots(spec);
          const ours = [guarded(), ...slots.map(({ initial }) => guarded().fill(initial))];
          const [parameters, ...ourSlots] = ours as [Float32Array, ...Float32Array[]];
          for (let i = 0; i < length; i++) parameters[i] = value(seed, i);
          const theirs = [parameters.slice(), ...slots.map(({ initial }) => new Float32Array(length).fill(initial))];
          const [values, decoded] = [memory.float32(length), memory.float32(length)];
          const { codes, scales } = allocateEncoded(memory, encoding, length);
          const moved = memory.uint8(codes.byteLength + 3).subarray(shift, shift + codes.byteLength);
          for (let step = 1; step <= STEPS; step++) {
            for (let i = 0; i < length; i++)
              values[i] = step === STEPS && i in oddAt ? oddAt[i]! : value(seed + step, i);
            codecs.encode(values, { encoding, codes, scales });
            moved.set(codes);
            codecs.decode({ encoding, codes, scales }, decoded);
            rule.apply(rules, spec, parameters, { encoding, codes: moved, scales }, ourSlots, step);
            reference(spec, theirs[0]!, decoded, theirs.slice(1), step);
          }
          for (const [index, vector] of ours.entries()) {
            // -0 differs from 0, NaN equals NaN whatever its payload.
            expect(vector).toEqual(theirs[index]);
            expect(new Float32Array(vector.buffer, vector.byteOffset, length + 1)[length]).toBe(GUARD);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
