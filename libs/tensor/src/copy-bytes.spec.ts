import { describe, expect, it } from 'vitest';
import { copyBytes } from './copy-bytes.ts';

const bytesOf = (Memory: typeof ArrayBuffer | typeof SharedArrayBuffer, length: number): Uint8Array =>
  new Uint8Array(new Memory(length + 16), 8, length);
const plain = (length: number) => bytesOf(ArrayBuffer, length);
const shared = (length: number) => bytesOf(SharedArrayBuffer, length);

describe.each([
  ['plain', 'plain', plain, plain],
  ['plain', 'shared', plain, shared],
  ['shared', 'plain', shared, plain],
  ['shared', 'shared', shared, shared],
] as const)('from %s to %s memory', (_from, _to, source, target) => {
  it.each([0, 1, 4095, 4096, 100_003])('copies %i bytes to their place and nothing else', (length) => {
    const from = source(length);
    for (let i = 0; i < length; i++) from[i] = 1 + (i % 255);
    const to = target(length + 20);
    copyBytes(from, to, 10);
    expect(Buffer.compare(to.subarray(10, 10 + length), from)).toBe(0);
    expect(
      [...new Uint8Array(to.buffer).subarray(0, 18), ...to.subarray(10 + length)].every((byte) => byte === 0),
    ).toBe(true);
  });

  it.each([10, 5000])('refuses %i bytes where they do not fit', (length) => {
    expect(() => copyBytes(source(length), target(length + 4), 5)).toThrow(RangeError);
  });
});
