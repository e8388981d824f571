import { describe, expect, it } from 'vitest';
import { decodeSafetensorsHeader, encodeSafetensorsHeader } from './safetensors.ts';
import type { SafetensorsEntry } from './safetensors.ts';

const TENSORS: SafetensorsEntry[] = [
  { name: 'dense/kernel', dtype: 'float32', shape: [3, 2] },
  { name: 'dense/bias', dtype: 'float32', shape: [2] },
  { name: 'empty', dtype: 'float32', shape: [0, 4] },
  { name: '7', dtype: 'int32', shape: [] },
  { name: 'ümläut "quoted"', dtype: 'bfloat16', shape: [5] },
];

const handMade = (header: unknown): Uint8Array => {
  const json = Buffer.from(JSON.stringify(header));
  const bytes = Buffer.alloc(8 + json.byteLength);
  bytes.writeBigUInt64LE(BigInt(json.byteLength));
  bytes.set(json, 8);
  return bytes;
};

describe('a safetensors header', () => {
  it('comes back as it was written, in the order of its tensors', () => {
    const { bytes, header } = encodeSafetensorsHeader(TENSORS, { job: 'job-a' });
    expect(decodeSafetensorsHeader(bytes)).toEqual(header);
    expect(header.tensors.map(({ begin, end }) => [begin - bytes.byteLength, end - bytes.byteLength])).toEqual([
      [0, 24],
      [24, 32],
      [32, 32],
      [32, 36],
      [36, 46],
    ]);
    expect(header.bytes).toBe(bytes.byteLength + 46);
    expect(header.metadata).toEqual({ job: 'job-a' });
  });

  it('is as the format says: length, JSON, spaces up to a multiple of eight', () => {
    const { bytes } = encodeSafetensorsHeader([{ name: 'a', dtype: 'float32', shape: [1] }]);
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    expect(bytes.byteLength).toBe(8 + length);
    expect(length % 8).toBe(0);
    const text = Buffer.from(bytes.subarray(8)).toString();
    expect(JSON.parse(text)).toEqual({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } });
    expect(text.trimEnd()).not.toMatch(/\s$/);
  });

  it('refuses two tensors of one name, and the name that the format keeps', () => {
    const twice = { name: 'a', dtype: 'float32', shape: [1] } as const;
    expect(() => encodeSafetensorsHeader([twice, twice])).toThrow('named a');
    expect(() => encodeSafetensorsHeader([{ ...twice, name: '__metadata__' }])).toThrow('__metadata__');
  });

  it.each([
    ['too short', new Uint8Array(4), 'ends before its header'],
    ['cut off', encodeSafetensorsHeader(TENSORS).bytes.subarray(0, 40), 'ends within its header'],
    ['of an absurd length', Buffer.alloc(16, 0xff), 'bytes long'],
    ['no JSON', handMade('text'), 'no JSON object'],
    ['of a type not known', handMade({ a: { dtype: 'F64', shape: [1], data_offsets: [0, 8] } }), 'F64'],
    ['with a gap', handMade({ a: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }), 'gap'],
    ['with a wrong size', handMade({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 4] } }), 'does not take'],
    ['with no place', handMade({ a: { dtype: 'F32', shape: [-1], data_offsets: [0, 4] } }), 'no place'],
  ])('is refused when it is %s', (_name, bytes, why) => {
    expect(() => decodeSafetensorsHeader(bytes)).toThrow(why);
  });
});
