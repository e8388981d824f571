import { DownpourError } from '@downpour/contracts';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { BYTES_PER_ELEMENT, elementCount } from './dtype.ts';
import { decodeFrame, encodeFrame } from './frame.ts';
import { asFloat32, asInt32, requireTensor } from './typed-access.ts';
import type { DType, OutgoingTensor } from './tensor.ts';

const tensorArbitrary: fc.Arbitrary<OutgoingTensor> = fc
  .record({
    dtype: fc.constantFrom(...(Object.keys(BYTES_PER_ELEMENT) as DType[])),
    shape: fc.array(fc.nat(5), { maxLength: 4 }),
  })
  .chain(({ dtype, shape }) => {
    const length = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    return fc.uint8Array({ minLength: length, maxLength: length }).map((data) => ({ dtype, shape, data }));
  });
const framesArbitrary = fc.record({
  header: fc
    .dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.jsonValue(), { noNullPrototype: true })
    .filter((header) => !JSON.stringify(header).includes('__proto__')),
  tensors: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), tensorArbitrary, { maxKeys: 4 }),
});

const refused = (bytes: Uint8Array): DownpourError | null => {
  try {
    decodeFrame(bytes);
    return null;
  } catch (error) {
    if (error instanceof DownpourError && error.code === 'invalid-request') return error;
    throw error;
  }
};
const frameOf = (head: unknown, body: Uint8Array = new Uint8Array(0)): Uint8Array => {
  const packed = new Packr({ useRecords: false }).pack(head);
  const headEnd = Math.ceil((8 + packed.byteLength) / 8) * 8;
  const bytes = new Uint8Array(headEnd + body.byteLength);
  bytes.set([0x44, 0x50, 0x46, 0x31]);
  new DataView(bytes.buffer).setUint32(4, packed.byteLength, true);
  bytes.set(packed, 8);
  bytes.set(body, headEnd);
  return bytes;
};

describe('frame', () => {
  it('gives back every header and tensor that was put in', () => {
    fc.assert(
      fc.property(framesArbitrary, ({ header, tensors }) => {
        const decoded = decodeFrame(encodeFrame(header, tensors));
        // JSON knows no -0; neither do headers.
        expect(JSON.parse(JSON.stringify(decoded.header))).toEqual(JSON.parse(JSON.stringify(header)));
        expect(Object.keys(decoded.tensors).sort()).toEqual(Object.keys(tensors).sort());
        for (const [name, { dtype, shape, data }] of Object.entries(tensors))
          expect({ ...decoded.tensors[name] }).toEqual({ dtype, shape, data });
      }),
      { numRuns: 300 },
    );
  });

  it('lays every tensor at a multiple of eight bytes', () => {
    fc.assert(
      fc.property(framesArbitrary, ({ header, tensors }) => {
        const frame = encodeFrame(header, tensors);
        expect(frame.byteOffset).toBe(0);
        for (const { data } of Object.values(decodeFrame(frame).tensors)) expect(data.byteOffset % 8).toBe(0);
      }),
    );
  });

  it('joins the parts of a tensor without a copy before', () => {
    const values = Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7);
    const parts = [values.subarray(6, 8), values.subarray(1, 4)];
    const { tensors } = decodeFrame(encodeFrame({}, { gradient: { dtype: 'float32', shape: [5], data: parts } }));
    expect([...asFloat32(requireTensor(tensors, 'gradient'))]).toEqual([6, 7, 1, 2, 3]);
  });

  it('has values put together where they are sent from, aligned', () => {
    const labels = {
      byteLength: 12,
      writeTo: ({ buffer, byteOffset, byteLength }: Uint8Array) =>
        new Int32Array(buffer, byteOffset, byteLength / 4).set([7, -8, 9]),
    };
    const bytes = { dtype: 'uint8', shape: [3], data: Uint8Array.of(1, 2, 3) } as const;
    const dirty = (size: number) => new Uint8Array(size).fill(255);
    const frame = encodeFrame({}, { bytes, labels: { dtype: 'int32', shape: [3], data: labels } }, dirty);
    const { tensors } = decodeFrame(frame);
    expect([...asInt32(requireTensor(tensors, 'labels'))]).toEqual([7, -8, 9]);
    expect([...requireTensor(tensors, 'bytes').data]).toEqual([1, 2, 3]);
    expect(() => encodeFrame({}, { labels: { dtype: 'int32', shape: [2], data: labels } })).toThrow(/takes 8 bytes/);
  });

  it('reads typed values from an unaligned receive buffer by copying, and from an aligned one by view', () => {
    const frame = encodeFrame({}, { labels: { dtype: 'int32', shape: [3], data: Int32Array.of(7, -8, 9) } });
    for (const shift of [0, 1, 2, 3, 4, 8]) {
      // A socket gives Buffers, whose `slice` does not copy.
      const received = Buffer.from(new ArrayBuffer(frame.byteLength + shift));
      received.set(frame, shift);
      const { tensors } = decodeFrame(received.subarray(shift));
      const labels = asInt32(requireTensor(tensors, 'labels'));
      expect([...labels]).toEqual([7, -8, 9]);
      expect(labels.buffer === received.buffer).toBe(shift % 4 === 0);
    }
  });

  it('leaves undefined fields out, so that optional ones are absent', () => {
    expect(decodeFrame(encodeFrame({ a: 1, b: undefined, c: { d: undefined } })).header).toEqual({ a: 1, c: {} });
  });

  it('keeps 53-bit integers and 64-bit floats', () => {
    const header = { sequence: Number.MAX_SAFE_INTEGER, loss: 0.1, negative: -(2 ** 40) };
    expect(decodeFrame(encodeFrame(header)).header).toEqual(header);
  });

  it('refuses tensors whose bytes do not fit their shape when they are sent', () => {
    expect(() => encodeFrame({}, { x: { dtype: 'float32', shape: [3], data: new Uint8Array(8) } })).toThrow(
      /takes 12 bytes, not 8/,
    );
  });

  it('refuses random bytes, and never with anything but invalid-request', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(refused(bytes)).not.toBeNull();
      }),
      { numRuns: 2000 },
    );
  });

  it('survives any mutation of a good frame', () => {
    fc.assert(
      fc.property(
        framesArbitrary,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.nat(),
        ({ header, tensors }, changes, cut) => {
          const frame = encodeFrame(header, tensors);
          for (const [at, byte] of changes) frame[at % frame.byteLength] = byte;
          refused(frame);
          refused(frame.subarray(0, cut % (frame.byteLength + 1)));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('refuses a frame that was cut short', () => {
    const frame = encodeFrame({ a: 1 }, { x: { dtype: 'uint8', shape: [1000], data: new Uint8Array(1000) } });
    for (let length = 0; length < frame.byteLength; length++) expect(refused(frame.subarray(0, length))).not.toBeNull();
  });

  it.each([
    ['a shape that overflows', [{}, [['x', 'float32', [2 ** 31, 2 ** 31]]]]],
    ['a negative size', [{}, [['x', 'float32', [-1]]]]],
    ['a fraction as size', [{}, [['x', 'float32', [1.5]]]]],
    ['an unknown dtype', [{}, [['x', 'float64', [0]]]]],
    ['a dtype of Object.prototype', [{}, [['x', 'toString', [0]]]]],
    [
      'one name twice',
      [
        {},
        [
          ['x', 'uint8', [0]],
          ['x', 'uint8', [0]],
        ],
      ],
    ],
    ['a tensor that is no list', [{}, [{ name: 'x' }]]],
    ['too many dimensions', [{}, [['x', 'uint8', Array.from({ length: 17 }, () => 1)]]]],
    ['a head that is no pair', { header: {} }],
    ['more bytes than its tensors take', [{}, []], new Uint8Array(16)],
  ])('refuses %s', (_name, head, body?: Uint8Array) => {
    expect(refused(frameOf(head, body))).not.toBeNull();
  });

  it('refuses forged lengths in the head at once', () => {
    for (const forged of [
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xdf, 0xff, 0xff, 0xff, 0xff],
      [0xdb, 0xff, 0xff, 0xff, 0xff],
      [0xc6, 0x7f, 0xff, 0xff, 0xff],
      Array.from({ length: 1000 }, () => 0x91),
      [0xc7, 0xff, 0x72],
      [0xd4, 0x00, 0x00],
    ]) {
      const bytes = new Uint8Array(8 + Math.ceil(forged.length / 8) * 8);
      bytes.set([0x44, 0x50, 0x46, 0x31]);
      new DataView(bytes.buffer).setUint32(4, forged.length, true);
      bytes.set(forged, 8);
      expect(refused(bytes)?.message).toMatch(/MessagePack/);
    }
  });

  it('does not let a header reach a prototype', () => {
    const bytes = frameOf([JSON.parse('{"__proto__": {"polluted": true}}'), []]);
    const { header } = decodeFrame(bytes);
    expect((header as { polluted?: boolean }).polluted).toBeUndefined();
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});
