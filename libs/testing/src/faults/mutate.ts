import type { SeededRandom } from './seeded-random.ts';

/** Where decoders go wrong: ends of ranges, lengths, signs, tags of MessagePack and of gzip. */
const ODD_BYTES = [0x00, 0x01, 0x7f, 0x80, 0xff, 0xc0, 0xc1, 0xc4, 0xc7, 0xd4, 0xdd, 0xdf, 0x1f, 0x8b];
const ODD_NUMBERS = [
  -1,
  0,
  1,
  0.5,
  -0,
  255,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 53,
  -(2 ** 53),
  1e308,
  NaN,
  Infinity,
  -Infinity,
];
const ODD_STRINGS = [
  '',
  ' ',
  '*',
  '>',
  '..',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  '\u0000',
  '\ud800',
  'x'.repeat(5000),
];

/** A copy with one to four mistakes. `others`: what pieces may come from. Never the same bytes, unless there is nothing to change. */
export const mutateBytes = (
  random: SeededRandom,
  bytes: Uint8Array,
  others: readonly Uint8Array[] = [],
): Uint8Array => {
  let mutated = bytes;
  for (let count = 1 + random.below(4); count > 0; count--) mutated = mutateOnce(random, mutated, others);
  return mutated.byteLength === bytes.byteLength && Buffer.compare(mutated, bytes) === 0
    ? mutated.subarray(0, Math.max(0, mutated.byteLength - 1))
    : mutated;
};

const mutateOnce = (random: SeededRandom, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array => {
  const { byteLength } = bytes;
  const copy = Uint8Array.from(bytes);
  // Heads are where the structure is.
  const at = random.chance(0.6) ? random.below(Math.min(64, byteLength)) : random.below(byteLength);
  switch (random.below(9)) {
    case 0:
      if (byteLength > 0) copy[at]! ^= 1 << random.below(8);
      return copy;
    case 1:
      if (byteLength > 0) copy[at] = random.pick(ODD_BYTES);
      return copy;
    case 2:
      if (byteLength >= 4)
        new DataView(copy.buffer).setUint32(Math.min(at, byteLength - 4), random.below(2 ** 32), random.chance(0.5));
      return copy;
    case 3:
      return copy.subarray(0, random.below(byteLength + 1));
    case 4:
      return copy.subarray(random.below(byteLength + 1));
    case 5: {
      const end = at + random.below(Math.min(32, byteLength - at) + 1);
      return joined(copy.subarray(0, at), copy.subarray(end));
    }
    case 6:
      return joined(copy.subarray(0, at), noise(random, 1 + random.below(16)), copy.subarray(at));
    case 7: {
      const end = at + random.below(Math.min(64, byteLength - at) + 1);
      return joined(copy.subarray(0, end), copy.subarray(at));
    }
    default: {
      if (others.length === 0) return noise(random, random.below(64));
      const other = random.pick(others);
      return joined(copy.subarray(0, at), other.subarray(random.below(other.byteLength + 1)));
    }
  }
};

const noise = (random: SeededRandom, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => random.below(256));

const joined = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** A copy of a JSON-like value with one place changed: a wrong type, an odd number, a field too many or too few. */
export const mutateValue = (random: SeededRandom, value: unknown): unknown => {
  if (Array.isArray(value) && value.length > 0 && random.chance(0.8)) {
    const copy = [...(value as unknown[])];
    const at = random.below(copy.length);
    if (random.chance(0.2)) copy.splice(at, random.below(2), oddValue(random));
    else copy[at] = mutateValue(random, copy[at]);
    return copy;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && random.chance(0.9)) {
    const entries = Object.entries(value);
    const at = random.below(entries.length);
    const [key = 'x', part] = entries[at] ?? [];
    const dice = random.below(8);
    if (entries.length === 0) return { [random.pick(ODD_STRINGS)]: oddValue(random) };
    if (dice === 0) return Object.fromEntries(entries.filter((_, index) => index !== at));
    if (dice === 1) return { ...value, [random.pick(ODD_STRINGS)]: oddValue(random) };
    if (dice === 2) return { ...value, [key]: random.pick(entries)[1] };
    return { ...value, [key]: mutateValue(random, part) };
  }
  if (typeof value === 'number' && random.chance(0.7))
    return random.chance(0.5) ? random.pick(ODD_NUMBERS) : value + random.pick([-1, 1, 0.5, 256]);
  if (typeof value === 'string' && random.chance(0.5)) return value + random.pick(ODD_STRINGS);
  return oddValue(random);
};

const oddValue = (random: SeededRandom): unknown => {
  switch (random.below(7)) {
    case 0:
      return null;
    case 1:
      return random.pick(ODD_NUMBERS);
    case 2:
      return random.pick(ODD_STRINGS);
    case 3:
      return random.chance(0.5);
    case 4:
      return [];
    case 5:
      return {};
    default:
      return nested(random.below(200));
  }
};

const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let at = 0; at < depth; at++) value = at % 2 === 0 ? [value] : { a: value };
  return value;
};
