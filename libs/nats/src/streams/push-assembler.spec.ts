import { sliceFrame } from '@downpour/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { patternBytes, sameBytes } from '../fixture/nats-fixture.ts';
import { sliceHeaders } from '../transport/wire.ts';
import { ABANDONED_AFTER_MS, PushAssembler } from './push-assembler.ts';
import type { StreamMessage } from './stream-reader.ts';

const slicesOf = (id: string, bytes: Uint8Array, maxBytes: number): Pick<StreamMessage, 'headers' | 'data'>[] => {
  const slices = sliceFrame(bytes, maxBytes);
  return slices.map((data, index) => ({
    headers: slices.length === 1 ? undefined : sliceHeaders(id, index, slices.length, bytes.byteLength),
    data,
  }));
};
const at = (slice: Pick<StreamMessage, 'headers' | 'data'>, sequence: number, storedAtMs = 0): StreamMessage => ({
  ...slice,
  sequence,
  storedAtMs,
  subject: 's',
  pending: 0,
});

describe('PushAssembler', () => {
  it('loses nothing to a crash at any moment: what it had not handed over comes again from its safe position', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 }),
        fc.infiniteStream(fc.nat()),
        fc.nat(),
        (lengths, random, crash) => {
          const pushes = lengths.map((length, index) => slicesOf(`p${index}`, patternBytes(length, index), 100));
          // Slices of several publishers in any mixture.
          const log = pushes
            .flatMap((slices) => slices.map((slice) => ({ slice, rank: random.next().value ?? 0 })))
            .sort((a, b) => a.rank - b.rank)
            .map(({ slice }, index) => at(slice, index + 1));
          const handed = new Set<number>();
          const follow = (from: number, until: number): number => {
            const assembler = new PushAssembler(from, (error) => expect.fail(String(error)));
            let safe = from;
            for (const message of log.slice(from, until)) {
              const whole = assembler.add(message);
              if (whole !== null) {
                const index = lengths.findIndex(
                  (length, salt) =>
                    length === whole.bytes.byteLength && sameBytes(patternBytes(length, salt), whole.bytes),
                );
                expect(index).toBeGreaterThanOrEqual(0);
                // The one in hand is not applied yet.
                expect(assembler.safePosition()).toBeLessThan(whole.firstSequence);
                handed.add(index);
                assembler.done();
              }
              expect(assembler.safePosition()).toBeGreaterThanOrEqual(safe);
              safe = assembler.safePosition();
            }
            return safe;
          };
          const safe = follow(0, crash % (log.length + 1));
          expect(follow(safe, log.length)).toBe(log.length);
          expect(handed.size).toBe(lengths.length);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('gives a push up whose publisher is gone, by the clock of the server, so that the log can be trimmed', () => {
    const bad: [string, number][] = [];
    const assembler = new PushAssembler(0, (error, sequence) => bad.push([(error as Error).message, sequence]));
    const add = (message: StreamMessage) => {
      const whole = assembler.add(message);
      assembler.done();
      return whole;
    };
    const [first, second, third] = slicesOf('x', patternBytes(300), 100);
    const [lone] = slicesOf('y', patternBytes(10), 100);
    add(at(first!, 1, 1000));
    add(at(second!, 2, 1000 + ABANDONED_AFTER_MS - 1));
    add(at(lone!, 3, 1000 + ABANDONED_AFTER_MS - 1));
    expect([assembler.safePosition(), bad]).toEqual([0, []]);
    add(at(lone!, 4, 1000 + ABANDONED_AFTER_MS));
    expect(assembler.safePosition()).toBe(4);
    expect(bad).toEqual([[expect.stringContaining('never became complete'), 1]]);
    // Its last slice, should it come after all, makes no push.
    expect(add(at(third!, 5, 1000 + ABANDONED_AFTER_MS + 1))).toBeNull();
    expect(assembler.safePosition()).toBe(4);
  });
});
