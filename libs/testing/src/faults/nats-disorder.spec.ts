import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { NatsDisorder } from './nats-disorder.ts';
import type { NatsDisorderOptions } from './nats-disorder.ts';

const publish = (subject: string, payload: string): string => `PUB ${subject} ${payload.length}\r\n${payload}\r\n`;
const withHeaders = (subject: string, payload: string): string =>
  `HPUB ${subject} reply 12 ${12 + payload.length}\r\nNATS/1.0\r\n\r\n${payload}\r\n`;
const sent = [
  'CONNECT {}\r\nPING\r\n',
  publish('a', 'PUB b 3\r\n'),
  'SUB a 1\r\n',
  withHeaders('b', 'x'),
  publish('c', ''),
];

/** Sends it in pieces of so many bytes. */
const through = async (options: NatsDisorderOptions, pieceBytes: number): Promise<string> => {
  let out = '';
  const filter = new NatsDisorder(options, (bytes) => (out += bytes.toString()));
  const all = Buffer.from(sent.join(''));
  for (let at = 0; at < all.length; at += pieceBytes) filter.take(all.subarray(at, at + pieceBytes));
  await sleep(60);
  return out;
};

describe('NatsDisorder', () => {
  it.each([1, 3, 1000])('passes everything as it is when it is to disturb nothing, in pieces of %i', async (bytes) => {
    expect(await through({ seed: 1 }, bytes)).toBe(sent.join(''));
  });

  it('doubles messages whole, and nothing else', async () => {
    const out = await through({ seed: 1, duplicate: 1, longestMs: 20 }, 7);
    for (const part of sent) expect(out.split(part)).toHaveLength(/^H?PUB/.test(part) ? 3 : 2);
    expect(out).toHaveLength(sent.reduce((sum, part) => sum + part.length * (/^H?PUB/.test(part) ? 2 : 1), 0));
  });

  it('lets others overtake messages that it holds up, chosen by subject', async () => {
    const held: string[] = [];
    const options = { seed: 1, delay: 1, longestMs: 20, subjects: (subject: string) => subject === 'a' };
    const out = await through({ ...options, onDisorder: (what, subject) => held.push(`${what} ${subject}`) }, 1000);
    expect(out).toBe([sent[0], sent[2], sent[3], sent[4], sent[1]].join(''));
    expect(held).toEqual(['delay a']);
  });
});
