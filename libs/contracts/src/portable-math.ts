/*
 * Cosine and power from +, -, * and / alone. IEEE 754 rounds these alike on every machine; Math.cos and Math.pow may differ in the last bit between
 * processors and versions of V8, and every shard of a job, and whoever replays its log, must come to the same bits. Good to about 1e-15.
 */

const LN2 = 0.6931471805599453;

/** cos(pi * x) for 0 <= x <= 1. */
export function cosPi(x: number): number {
  if (x > 0.5) return -cosPi(1 - x);
  // cos(2a) = 1 - 2 sin(a)^2, with a <= pi / 4.
  const a = (Math.PI * x) / 2;
  const sine = series(a, (n) => (-a * a) / (2 * n * (2 * n + 1)));
  return 1 - 2 * sine * sine;
}

/** base^exponent for base > 0. */
export function power(base: number, exponent: number): number {
  const whole = Math.floor(exponent);
  const fraction = exponent - whole;
  const root = fraction === 0 ? 1 : exponential(fraction * logarithm(base));
  return whole < 0 ? root / wholePower(base, -whole) : root * wholePower(base, whole);
}

/** By squaring. */
function wholePower(base: number, exponent: number): number {
  let result = 1;
  for (let square = base, rest = exponent; rest > 0 && result !== 0; square *= square, rest = Math.floor(rest / 2))
    if (rest % 2 === 1) result *= square;
  return result;
}

function exponential(x: number): number {
  // e^x = 2^k * e^r with |r| <= ln 2 / 2.
  const k = Math.round(x / LN2);
  const r = x - k * LN2;
  const root = series(1, (n) => r / n);
  return k < 0 ? root / wholePower(2, -k) : root * wholePower(2, k);
}

function logarithm(x: number): number {
  let k = 0;
  let m = x;
  for (; m > 1.5; m /= 2) k += 1;
  for (; m < 0.75; m *= 2) k -= 1;
  // ln m = 2 artanh(t): t + t^3/3 + t^5/5 ...
  const t = (m - 1) / (m + 1);
  const half = series(t, (n) => (t * t * (2 * n - 1)) / (2 * n + 1));
  return k * LN2 + 2 * half;
}

/** first + first * ratio(1) + first * ratio(1) * ratio(2) + ..., until that changes nothing. */
function series(first: number, ratio: (n: number) => number): number {
  let sum = first;
  let term = first;
  for (let n = 1; n < 100; n++) {
    term *= ratio(n);
    if (sum + term === sum) return sum;
    sum += term;
  }
  return sum;
}
