/**
 * The order of the examples of one epoch: a permutation of [0, n) that depends on (seed, epoch, n) alone, so that every sharder cuts
 * the same chunks. Fisher-Yates driven by xoshiro128** (Blackman and Vigna 2018), whose state is filled by splitmix32 from the seed and
 * the epoch; numbers below a bound are drawn by rejection, so no order is likelier than another beyond the generator's state of 128 bits.
 * Changing any of this changes the results of every seeded run.
 */
export const permutation = (seed: number, epoch: number, n: number): Uint32Array<ArrayBuffer> => {
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  const random = xoshiro128(seed, epoch);
  for (let i = n - 1; i > 0; i--) {
    const j = below(random, i + 1);
    const swap = order[i]!;
    order[i] = order[j]!;
    order[j] = swap;
  }
  return order;
};

const TWO_32 = 2 ** 32;

/** A whole number in [0, bound), each as likely. */
const below = (random: () => number, bound: number): number => {
  const fair = TWO_32 - (TWO_32 % bound);
  let drawn = random();
  while (drawn >= fair) drawn = random();
  return drawn % bound;
};

const xoshiro128 = (seed: number, epoch: number): (() => number) => {
  // The epoch goes through the mixer before it meets the seed: (1, 2) and (2, 1) must not share a stream.
  const fill = splitmix32((seed ^ splitmix32(epoch)()) >>> 0);
  let a = fill();
  let b = fill();
  let c = fill();
  let d = fill() | 1; // never all zeros
  return () => {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
};

const splitmix32 = (seed: number): (() => number) => {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
};
