import { z } from 'zod';

/**
 * Schemas for the text of an environment variable. Each names what would be right, so that the error at boot reads
 * `HTTP_PORT is "http", which should be a whole number from 0 to 65535`.
 */

/** A whole number. */
export const envInteger = (min: number, max: number) => {
  const expected = `a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^-?\d+$/, expected)
    .transform(Number)
    .pipe(z.int(expected).min(min, expected).max(max, expected));
};

/** A duration in milliseconds. */
export const envDurationMs = (minMs: number, maxMs: number) => {
  const expected = `a duration in milliseconds from ${minMs} to ${maxMs}`;
  return z
    .string()
    .regex(/^\d+$/, expected)
    .transform(Number)
    .pipe(z.int(expected).min(minMs, expected).max(maxMs, expected));
};

const UNITS: Record<string, number> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, kB: 1e3, MB: 1e6, GB: 1e9 };

/** A size in bytes; a unit may follow: `512MiB`, `2 GiB`, `1500000`. */
export const envBytes = (min: number, max: number) => {
  const expected = `a size from ${min} to ${max} bytes, such as 1048576, 512MiB or 2GiB`;
  return z
    .string()
    .regex(/^\d+(\.\d+)? ?(KiB|MiB|GiB|kB|MB|GB)?$/, expected)
    .transform((text) => {
      const [, digits, unit] = /^([\d.]+) ?(\D*)$/.exec(text) ?? [];
      return Math.floor(Number(digits) * (UNITS[unit ?? ''] ?? Number.NaN));
    })
    .pipe(z.int(expected).min(min, expected).max(max, expected));
};

/** true or false. */
export const envBoolean = () =>
  z.enum(['true', 'false', '1', '0'], 'true or false').transform((text) => text === 'true' || text === '1');

/** One word of a list. */
export const envChoice = <const T extends readonly [string, ...string[]]>(words: T) =>
  z.enum(words, `one of ${words.join(', ')}`);

/** Any text that is not empty. */
export const envText = (expected: string) => z.string().min(1, expected);

/** Servers of one NATS cluster, separated by commas: scheme optional, `nats://host:4222,tls://other`. */
export const envNatsServers = () => {
  const expected = 'one or more NATS servers separated by commas, such as nats://10.0.0.1:4222,nats://10.0.0.2:4222';
  return z.string().refine((text) => text.split(',').every(isServer), expected);
};

const isServer = (text: string): boolean => {
  const server = text.trim();
  if (server === '') return false;
  const url = server.includes('://') ? server : `nats://${server}`;
  return /^(nats|tls|ws|wss):\/\//.test(url) && URL.canParse(url) && new URL(url).hostname !== '';
};
