import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LARGE_BYTES, ReceiveSlabs, releaseReceived } from './receive-slabs.ts';

/** One protocol message whose payload is full of line ends and of what looks like messages. */
const message = (payloadBytes: number, salt: number): Buffer => {
  const payload = Buffer.alloc(payloadBytes, `MSG a 1 ${salt}\r\n`);
  const line =
    salt % 3 === 0
      ? `HMSG a.b 1 ${Math.min(12, payloadBytes)} ${payloadBytes}`
      : `MSG a.b 1 _INBOX.${salt} ${payloadBytes}`;
  return Buffer.concat([Buffer.from(`${line}\r\n`), payload, Buffer.from('\r\n')]);
};

/** Feeds bytes in reads of the given sizes, and returns a copy of each piece as it was when it was emitted. */
const feed = (
  slabs: ReceiveSlabs,
  stream: Buffer,
  reads: () => number,
  onPiece?: (piece: Uint8Array) => void,
): Buffer[] => {
  const pieces: Buffer[] = [];
  for (let at = 0; at < stream.byteLength;) {
    const room = slabs.room();
    expect(room.byteLength).toBeGreaterThan(0);
    const count = Math.min(room.byteLength, stream.byteLength - at, reads());
    room.set(stream.subarray(at, at + count));
    at += count;
    slabs.received(count, (piece) => {
      pieces.push(Buffer.from(piece));
      onPiece?.(piece);
    });
  }
  return pieces;
};

describe('receive slabs', () => {
  it('hand on every byte once, in order, and every large message as a piece of its own', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.nat(200), fc.integer({ min: LARGE_BYTES, max: 40_000 }), fc.constant(3_000_000)), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 10_000, max: 400_000 })), {
          minLength: 1,
        }),
        fc.boolean(),
        (sizes, reads, release) => {
          const messages = sizes.flatMap((size, index) => [
            message(size, index),
            ...(index % 2 ? [Buffer.from('PING\r\n')] : []),
          ]);
          const stream = Buffer.concat(messages);
          let turn = 0;
          const small = stream.byteLength > 2_000_000 ? 20_000 : 0;
          const slabs = new ReceiveSlabs();
          const pieces = feed(
            slabs,
            stream,
            () => reads[turn++ % reads.length]! + small,
            (piece) => release && releaseReceived(piece),
          );
          expect(Buffer.concat(pieces).equals(stream)).toBe(true);
          const large = messages.filter(({ byteLength }) => byteLength >= LARGE_BYTES);
          expect(pieces.filter(({ byteLength }) => byteLength >= LARGE_BYTES).map((piece) => piece.byteLength)).toEqual(
            large.map(({ byteLength }) => byteLength),
          );
        },
      ),
      { numRuns: 100 },
    );
  });

  it('never write over a large message that has not been released', () => {
    const slabs = new ReceiveSlabs();
    const held: { piece: Uint8Array; copy: Buffer }[] = [];
    for (let round = 0; round < 60; round++) {
      feed(
        slabs,
        message(300_000, round),
        () => 65_536,
        (piece) => held.push({ piece, copy: Buffer.from(piece) }),
      );
      if (round % 3 === 0) releaseReceived(held.splice(Math.floor(held.length / 2), 1)[0]!.piece);
    }
    for (const { piece, copy } of held) expect(Buffer.compare(piece, copy)).toBe(0);
  });

  it('read into the same memory again once it is released, by any part of the message', () => {
    const slabs = new ReceiveSlabs();
    const buffers = new Set<ArrayBufferLike>();
    for (let round = 0; round < 200; round++) {
      feed(
        slabs,
        message(300_000, round),
        () => 65_536,
        (piece) => {
          buffers.add(piece.buffer);
          releaseReceived(piece.subarray(100, 200));
          releaseReceived(piece.subarray(100, 200));
        },
      );
    }
    expect(buffers.size).toBeLessThanOrEqual(3);
  });

  it('copy small messages out, so that they stay good', () => {
    const slabs = new ReceiveSlabs();
    const room = slabs.room();
    feed(
      slabs,
      message(100, 1),
      () => 1000,
      (piece) => expect(piece.buffer).not.toBe(room.buffer),
    );
  });

  it('let pass what was never received', () => {
    expect(() => releaseReceived(new Uint8Array(8))).not.toThrow();
  });
});
