import type { ValueEncoding } from '@downpour/contracts';
import { INT8_BLOCK } from '@downpour/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EncodedVector } from './encoded-vector.ts';
import { Kernels } from './kernels.ts';
import {
  BFLOAT16,
  decodeInt8,
  encodeInt8,
  FLOAT16,
  nearestInteger,
  nearestValue,
  valueOf,
} from './reference-codecs.ts';
import { VectorMemory } from './vector-memory.ts';

const LENGTHS = [0, 1, 3, 4, 5, 7, 8, 9, 255, 256, 257, 1000, 1025];
const halves = [
  { encoding: 'bfloat16' as const, format: BFLOAT16 },
  { encoding: 'float16' as const, format: FLOAT16 },
];

/** Room for vectors of `length`, the encoded ones beginning at any byte. */
const room = (length: number, encoding: ValueEncoding, shift = 0) => {
  const memory = VectorMemory.create(24 * length + 4096);
  const bytes = length * { float32: 4, bfloat16: 2, float16: 2, int8: 1 }[encoding];
  const scaleBytes = 4 * Math.ceil(length / INT8_BLOCK);
  const into: EncodedVector = {
    encoding,
    codes: memory.uint8(bytes + shift).subarray(shift),
    ...(encoding === 'int8' ? { scales: memory.uint8(scaleBytes + shift).subarray(shift) } : {}),
  };
  const vectors = [memory.float32(length), memory.float32(length), memory.float32(length)] as const;
  return { codecs: Kernels.of(memory).codecs, into, vectors };
};
const codesOf = ({ codes }: EncodedVector): Uint16Array =>
  new Uint16Array(new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength).slice().buffer);
const roundTrip = (values: Float32Array, encoding: ValueEncoding, shift = 0) => {
  const { codecs, into, vectors } = room(values.length, encoding, shift);
  vectors[0].set(values);
  codecs.encode(vectors[0], into);
  codecs.decode(into, vectors[1]);
  return { into, decoded: vectors[1].slice() };
};
const fromBits = (bits: readonly number[]) => new Float32Array(Int32Array.from(bits).buffer);
const vectorOf = (value: fc.Arbitrary<number>) =>
  fc.constantFrom(...LENGTHS).chain((length) => fc.array(value, { minLength: length, maxLength: length }));
const shift = fc.integer({ min: 0, max: 3 });

describe.each(halves)('$encoding', ({ encoding, format }) => {
  const all = Array.from({ length: 0x10000 }, (_, code) => valueOf(code, format));

  it('decodes each of its 65536 codes, and encodes what they mean to the same codes', () => {
    const { codecs, into, vectors } = room(0x10000, encoding);
    const codes = Uint16Array.from({ length: 0x10000 }, (_, code) => code);
    (into.codes as Uint8Array).set(new Uint8Array(codes.buffer));
    codecs.decode(into, vectors[0]);
    expect(vectors[0]).toEqual(Float32Array.from(all));
    codecs.encode(vectors[0], into);
    const back = codesOf(into);
    for (let code = 0; code < 0x10000; code++)
      if (Number.isNaN(all[code])) expect(all[back[code]!]).toBeNaN();
      else if (back[code] !== code) expect(back[code]).toBe(code);
  });

  it('rounds halves between neighbours to even, and whatever is beside a half to the nearer', () => {
    const finite = all.slice(0, 0x8000).filter(Number.isFinite);
    const middles = finite.slice(1).map((value, index) => (value + finite[index]!) / 2);
    const bits = new Int32Array(Float32Array.from(middles).buffer);
    const values = fromBits([...bits].flatMap((middle) => [middle - 1, middle, middle + 1]));
    const { decoded } = roundTrip(values, encoding);
    expect(decoded).toEqual(Float32Array.from(values, (value) => nearestValue(value, format)));
    expect(
      roundTrip(
        values.map((value) => -value),
        encoding,
      ).decoded,
    ).toEqual(decoded.map((value) => -value));
  });

  it('rounds any float32 to the nearest, at any alignment', () => {
    fc.assert(
      fc.property(vectorOf(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })), shift, (bits, byShift) => {
        const values = fromBits(bits);
        const { decoded } = roundTrip(values, encoding, byShift);
        expect(decoded).toEqual(Float32Array.from(values, (value) => nearestValue(value, format)));
      }),
    );
  });

  it('keeps NaN of any payload, infinities and signed zeros', () => {
    const odd = fromBits([0x7f800001, 0x7fffffff, -0x7fffff, 0x7fc00000, 0x7f800000, -0x800000, 0, -(2 ** 31), 1]);
    const { decoded } = roundTrip(odd, encoding);
    expect([...decoded]).toEqual([NaN, NaN, NaN, NaN, Infinity, -Infinity, 0, -0, 0]);
  });
});

describe('int8', () => {
  it('has a scale for each block of 256 and the nearest code', () => {
    const value = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.float({ min: -1, max: 1, noNaN: true }),
      fc.constant(0),
    );
    fc.assert(
      fc.property(vectorOf(value), shift, (list, byShift) => {
        const values = Float32Array.from(list);
        const { into, decoded } = roundTrip(values, 'int8', byShift);
        const { codes, scales } = encodeInt8(values);
        expect(into.codes).toEqual(new Uint8Array(codes.buffer));
        expect(into.scales).toEqual(new Uint8Array(scales.buffer));
        expect(decoded).toEqual(decodeInt8(codes, scales));
      }),
    );
  });

  it('rounds halves to even and keeps within 127', () => {
    const values = Float32Array.of(127, -127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5);
    expect([...roundTrip(values, 'int8').decoded]).toEqual([127, -127, 0, 2, 2, 0, -2, -2, 126]);
    expect([-2.5, -0.5, 0.5, 1.5, 0.49].map(nearestInteger)).toEqual([-2, -0, 0, 2, 0]);
  });

  it.each([NaN, Infinity, -Infinity])('does not hide %s: its block decodes to NaN, the others do not', (value) => {
    const values = new Float32Array(600).fill(1);
    values[300] = value;
    const { decoded } = roundTrip(values, 'int8');
    expect(decoded.subarray(256, 512).every(Number.isNaN)).toBe(true);
    expect([decoded[255], decoded[512]]).toEqual([1, 1]);
  });

  it('encodes zeros, and numbers too small for a scale, as zeros', () => {
    const values = new Float32Array(300).fill(1e-45, 256);
    expect(roundTrip(values, 'int8').decoded).toEqual(new Float32Array(300));
  });
});

const encodings: ValueEncoding[] = ['float32', 'bfloat16', 'float16', 'int8'];

describe.each(encodings)('codecs: %s', (encoding) => {
  const step = (
    vectors: readonly Float32Array[],
    codecs: Kernels['codecs'],
    into: EncodedVector,
    values: Float32Array,
  ) => {
    vectors[0]!.set(values);
    codecs.encode(vectors[0]!, into, vectors[1]);
    codecs.decode(into, vectors[2]!);
    return vectors[2]!;
  };

  it('loses nothing over many steps with error feedback: decoded plus what is carried over is what was given', () => {
    const magnitude = fc.constantFrom(1e-6, 1e-3, 1, 1e5);
    fc.assert(
      fc.property(fc.constantFrom(...LENGTHS), magnitude, fc.integer({ min: 1, max: 999 }), (length, size, seed) => {
        const { codecs, into, vectors } = room(length, encoding, seed % 4);
        const [given, told] = [new Float64Array(length), new Float64Array(length)];
        for (let round = 0; round < 20; round++) {
          const values = Float32Array.from({ length }, (_, i) => size * Math.sin(seed * (i + 1) + round) ** 3);
          const decoded = step(vectors, codecs, into, values);
          for (let i = 0; i < length; i++) {
            given[i]! += values[i]!;
            told[i]! += decoded[i]!;
          }
        }
        // 20 sums in float32 of numbers of this size.
        const tolerance = 20 * 4 * size * 2 ** -23;
        for (let i = 0; i < length; i++)
          expect(Math.abs(told[i]! + vectors[1][i]! - given[i]!)).toBeLessThanOrEqual(tolerance);
      }),
      { numRuns: 30 },
    );
  });

  it('carries over exactly what it could not tell', () => {
    const { codecs, into, vectors } = room(1000, encoding);
    const values = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));
    const decoded = step(vectors, codecs, into, values);
    expect(vectors[1]).toEqual(values.map((value, i) => Math.fround(value - decoded[i]!)));
    if (encoding === 'float32') expect(decoded).toEqual(values);
  });

  it('adds what it decodes, from any value on', () => {
    const { codecs, into, vectors } = room(1000, encoding, 1);
    const values = Float32Array.from({ length: 1000 }, (_, i) => Math.cos(i));
    const decoded = step(vectors, codecs, into, values).slice();
    for (const from of [0, 1, 255, 256, 300, 999, 1000]) {
      const part = vectors[2].subarray(from);
      part.fill(0.1);
      codecs.accumulate(into, part, from);
      expect(part).toEqual(decoded.subarray(from).map((value) => Math.fround(Math.fround(0.1) + value)));
      codecs.decode(into, part, from);
      expect(part).toEqual(decoded.subarray(from));
    }
  });

  it('does not let one bad gradient spoil the next', () => {
    const { codecs, into, vectors } = room(300, encoding);
    const values = new Float32Array(300).fill(1);
    values.set([NaN, Infinity, -Infinity]);
    const decoded = step(vectors, codecs, into, values);
    expect(decoded.subarray(0, 3).some(Number.isFinite)).toBe(false);
    expect(vectors[1].every(Number.isFinite)).toBe(true);
    expect(step(vectors, codecs, into, new Float32Array(300).fill(1)).every(Number.isFinite)).toBe(true);
  });

  it('refuses vectors that are too short or lie elsewhere', () => {
    const { codecs, into, vectors } = room(300, encoding);
    const codes = into.codes as Uint8Array;
    expect(() => codecs.encode(vectors[0], { ...into, codes: codes.subarray(1) })).toThrow(RangeError);
    expect(() => codecs.decode({ ...into, codes: codes.slice() }, vectors[0])).toThrow(TypeError);
    expect(() => codecs.decode(into, vectors[0], 1)).toThrow(RangeError);
    expect(() => codecs.encode(vectors[0], into, vectors[1].subarray(1))).toThrow(RangeError);
    if (encoding === 'int8')
      expect(() => codecs.encode(vectors[0], { encoding, codes, scales: undefined })).toThrow(/scales/);
  });
});

describe('float16 with error feedback', () => {
  it('tells a value beyond its range in several steps instead of as an infinity', () => {
    const { codecs, into, vectors } = room(1, 'float16');
    let told = 0;
    for (const value of [200_000, 0, 0, 0, 0]) {
      vectors[0][0] = value;
      codecs.encode(vectors[0], into, vectors[1]);
      codecs.decode(into, vectors[2]);
      told += vectors[2][0]!;
    }
    expect(told).toBe(200_000);
  });
});

describe('finite', () => {
  it.each(['float32', 'bfloat16', 'float16', 'int8'] as const)(
    'of %s finds one bad value wherever it is, and no other',
    (encoding) => {
      fc.assert(
        fc.property(
          fc.constantFrom(...LENGTHS),
          fc.nat(),
          fc.constantFrom(NaN, Infinity, -Infinity),
          shift,
          (length, at, bad, offset) => {
            const { codecs, into, vectors } = room(length, encoding, offset);
            vectors[0].forEach((_, index) => (vectors[0][index] = Math.sin(index) * 60_000));
            codecs.encode(vectors[0], into);
            expect(codecs.finite(into, length)).toBe(true);
            if (length === 0) return;
            vectors[0][at % length] = bad;
            codecs.encode(vectors[0], into);
            expect(codecs.finite(into, length)).toBe(false);
            codecs.decode(into, vectors[1]);
            expect(vectors[1].every(Number.isFinite)).toBe(false);
          },
        ),
      );
    },
  );

  it('says yes to the largest and the smallest numbers there are', () => {
    const { codecs, into, vectors } = room(9, 'float32');
    vectors[0].set([3.4028234663852886e38, -3.4028234663852886e38, 1e-45, -1e-45, 0, -0, 1.1754943508222875e-38]);
    codecs.encode(vectors[0], into);
    expect(codecs.finite(into, 9)).toBe(true);
  });

  it('sees a scale of int8 that makes a code overflow', () => {
    const { codecs, into } = room(256, 'int8');
    new Float32Array(into.scales!.buffer, into.scales!.byteOffset, 1)[0] = 3e38;
    expect(codecs.finite(into, 256)).toBe(false);
  });
});
