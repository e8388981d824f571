import { BLOCK, gradientBlock } from './gradient-block';
import { get, put } from './lanes';

/** into[i] += value[at + i] for `length` values of an encoded vector, from the value `at`. */
export function accumulate(encoding: i32, codes: usize, scales: usize, at: i32, length: i32, into: usize): void {
  for (let done = 0; done < length; done += BLOCK) {
    const count = min(BLOCK, length - done);
    const values = gradientBlock(encoding, codes, scales, at + done, count);
    const sums = into + (<usize>done << 2);
    let i: usize = 0;
    for (const whole = <usize>(count & ~3) << 2; i < whole; i += 16)
      put(sums + i, f32x4.add(get(sums + i, 4), get(values + i, 4)), 4);
    for (const end = <usize>count << 2; i < end; i += 4)
      put(sums + i, f32x4.add(get(sums + i, 1), get(values + i, 1)), 1);
  }
}
