import { DownpourError } from '@downpour/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSliceHead, parseSliceHead, SliceAssembler, sliceFrame } from './slices.ts';
import type { Slice } from './slices.ts';

const cut = (id: string, bytes: Uint8Array, maxBytes: number): Slice[] =>
  sliceFrame(bytes, maxBytes).map((data, index, all) => ({
    id,
    index,
    count: all.length,
    totalBytes: bytes.byteLength,
    data,
  }));
const bytesOf = (length: number, salt = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + salt) % 251);

describe('sliceFrame', () => {
  it.each([
    [0, 10, [0]],
    [1, 10, [1]],
    [10, 10, [10]],
    [11, 10, [10, 1]],
    [30, 10, [10, 10, 10]],
    [31, 10, [10, 10, 10, 1]],
  ])('cuts %i bytes by %i into %j without copying', (length, maxBytes, sizes) => {
    const bytes = bytesOf(length);
    const slices = sliceFrame(bytes, maxBytes);
    expect(slices.map(({ byteLength }) => byteLength)).toEqual(sizes);
    for (const slice of slices) expect(slice.buffer).toBe(bytes.buffer);
  });
});

describe('SliceAssembler', () => {
  it('gives every message back once, whatever the order, the doubles and the mixture of messages', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(2000), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 300 }),
        fc.infiniteStream(fc.nat()),
        (lengths, maxBytes, random) => {
          const messages = lengths.map((length, index) => bytesOf(length, index));
          const slices = messages.flatMap((bytes, index) => cut(`m${index}`, bytes, maxBytes));
          const order = slices
            .map((slice) => ({ slice, rank: random.next().value ?? 0 }))
            .sort((a, b) => a.rank - b.rank);
          const assembler = new SliceAssembler();
          const whole = new Map<string, Uint8Array>();
          for (const { slice, rank } of order) {
            for (let times = whole.has(slice.id) ? 1 : 1 + (rank % 2); times > 0; times--) {
              if (whole.has(slice.id)) break;
              const bytes = assembler.add(slice);
              if (bytes) whole.set(slice.id, bytes);
            }
          }
          messages.forEach((bytes, index) =>
            expect(Buffer.compare(whole.get(`m${index}`) ?? Buffer.of(1), bytes)).toBe(0),
          );
          expect(assembler.size).toBe(0);
          expect(assembler.pendingBytes).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('hands a message of one slice through without a copy', () => {
    const bytes = bytesOf(100);
    expect(new SliceAssembler().add({ id: 'a', index: 0, count: 1, totalBytes: 100, data: bytes })).toBe(bytes);
  });

  it('starts an assembled message at aligned memory', () => {
    const assembler = new SliceAssembler();
    const whole = cut('a', bytesOf(100), 30)
      .map((slice) => assembler.add(slice))
      .at(-1);
    expect(whole?.byteOffset).toBe(0);
  });

  it('refuses more than it may hold, and takes it once there is room again', () => {
    const assembler = new SliceAssembler({ maxMessageBytes: 1000, maxPendingBytes: 3500 });
    const [first] = cut('a', bytesOf(1000), 600);
    const b = cut('b', bytesOf(1000), 600);
    expect(assembler.add(first!)).toBeNull();
    expect(() => assembler.add(b[0]!)).toThrow(/already/);
    assembler.drop('a');
    expect(assembler.add(b[0]!)).toBeNull();
    expect(assembler.add(b[1]!)?.byteLength).toBe(1000);
    expect(() => assembler.add({ id: 'c', index: 0, count: 2, totalBytes: 1001, data: bytesOf(600) })).toThrow(
      /over the limit/,
    );
  });

  it('costs nothing to refuse a forged size', () => {
    const assembler = new SliceAssembler({ maxMessageBytes: 2 ** 26 });
    expect(() => assembler.add({ id: 'x', index: 0, count: 2, totalBytes: 2 ** 40, data: bytesOf(1) })).toThrow(
      DownpourError,
    );
    expect(assembler.pendingBytes).toBe(0);
  });

  it.each<[string, Slice[]]>([
    ['an index beyond the count', [{ id: 'a', index: 2, count: 2, totalBytes: 20, data: bytesOf(10) }]],
    ['no count', [{ id: 'a', index: 0, count: 0, totalBytes: 20, data: bytesOf(10) }]],
    ['a lone slice that is not the whole', [{ id: 'a', index: 0, count: 1, totalBytes: 20, data: bytesOf(10) }]],
    ['a last slice longer than the whole', [{ id: 'a', index: 1, count: 2, totalBytes: 20, data: bytesOf(21) }]],
    [
      'slices of two sizes',
      [
        { id: 'a', index: 0, count: 3, totalBytes: 25, data: bytesOf(10) },
        { id: 'a', index: 1, count: 3, totalBytes: 25, data: bytesOf(9) },
      ],
    ],
    [
      'slices that overflow the whole',
      [
        { id: 'a', index: 2, count: 3, totalBytes: 25, data: bytesOf(5) },
        { id: 'a', index: 0, count: 3, totalBytes: 25, data: bytesOf(20) },
      ],
    ],
    [
      'a last slice that leaves a hole',
      [
        { id: 'a', index: 1, count: 2, totalBytes: 20, data: bytesOf(5) },
        { id: 'a', index: 0, count: 2, totalBytes: 20, data: bytesOf(10) },
      ],
    ],
    [
      'siblings that disagree',
      [
        { id: 'a', index: 0, count: 2, totalBytes: 20, data: bytesOf(10) },
        { id: 'a', index: 1, count: 2, totalBytes: 19, data: bytesOf(9) },
      ],
    ],
  ])('refuses %s and gives the message up', (_name, slices) => {
    const assembler = new SliceAssembler();
    expect(() => slices.forEach((slice) => assembler.add(slice))).toThrow(/is refused/);
    expect(assembler.size).toBe(0);
  });

  it('never crashes, whatever slices claim', () => {
    const claim = fc.record({
      id: fc.constantFrom('a', 'b'),
      index: fc.nat(4),
      count: fc.nat(4),
      totalBytes: fc.nat(50),
      data: fc.uint8Array({ maxLength: 50 }),
    });
    fc.assert(
      fc.property(fc.array(claim, { maxLength: 20 }), (claims) => {
        const assembler = new SliceAssembler();
        for (const slice of claims) {
          try {
            const whole = assembler.add(slice);
            if (whole) expect(whole.byteLength).toBe(slice.totalBytes);
          } catch (error) {
            expect(error).toBeInstanceOf(DownpourError);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('slice head', () => {
  it('survives a round trip as text', () => {
    const head = { id: 'worker-a1b2c3.17', index: 3, count: 8, totalBytes: 7_900_000 };
    expect(parseSliceHead(formatSliceHead(head))).toEqual(head);
  });
  it.each(['', 'a 1 2', 'a -1 2 3', 'a b 1 2 3', 'a 1 2 3 4', `${'x'.repeat(129)} 0 1 1`, 'a 0 99999999 1'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseSliceHead(text)).toThrow(DownpourError);
    },
  );
});
