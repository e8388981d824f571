import { describe, expect, it } from 'vitest';
import { resize } from './resize.ts';

const image = (width: number, height: number, data: number[]) => ({
  width,
  height,
  channels: 1,
  data: Uint8Array.from(data),
});
const pixels = (resized: { data: Uint8Array }): number[] => [...resized.data];

describe('resizing', () => {
  it('leaves an image of the right size as it is', () => {
    const same = image(2, 1, [1, 2]);
    expect(resize(same, 2, 1)).toBe(same);
  });

  it.each([
    [1, 1],
    [3, 7],
    [16, 2],
  ])('keeps an even colour even at %d x %d', (width, height) => {
    expect(pixels(resize(image(5, 4, Array(20).fill(77)), width, height))).toEqual(Array(width * height).fill(77));
  });

  it('interpolates when it grows (as Pillow and tf.image.resize do)', () => {
    expect(pixels(resize(image(2, 1, [0, 100]), 4, 1))).toEqual([0, 25, 75, 100]);
  });

  it('averages when it shrinks, so that no pixel is lost', () => {
    expect(pixels(resize(image(4, 1, [0, 255, 0, 255]), 1, 1))).toEqual([128]);
  });

  it('keeps channels apart', () => {
    const two = { width: 2, height: 1, channels: 3, data: Uint8Array.of(10, 20, 30, 10, 20, 30) };
    expect(pixels(resize(two, 3, 2))).toEqual(Array(6).fill([10, 20, 30]).flat());
  });
});
