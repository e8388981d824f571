import { FramePool } from './frame-pool.ts';

const SLAB_BYTES = 4 * 2 ** 20;
/** A read is offered at least so much room. */
const MIN_ROOM_BYTES = 128 * 1024;
/** A message of so many bytes is handed on where it was received; smaller ones are copied out, many at a time. */
export const LARGE_BYTES = 16 * 1024;
/** Larger slabs, for messages that the usual one does not hold, are of so many bytes or a multiple of it. */
const SLAB_STEP_BYTES = 2 ** 20;

const CR = 13;
const LETTER_M = 'M'.charCodeAt(0);
const LETTER_H = 'H'.charCodeAt(0);
const ZERO = '0'.charCodeAt(0);

interface Slab {
  bytes: Uint8Array;
  /** Large messages that somebody may still be reading: [begin, end) pairs. */
  lent: [begin: number, end: number][];
  /** Called when there are none any more. */
  reuse(slab: Slab): void;
}

const slabOf = new WeakMap<ArrayBufferLike, Slab>();

/** Of all connections of this process, and of what is put together from slices. */
const idle = new FramePool();

/** Memory for a message that is put together from slices: as one received in one piece, `releaseReceived` says that it has been read. */
export const takeAssembled = (bytes: number): Uint8Array => {
  const memory = idle.take(bytes);
  slabOf.set(memory.buffer, { bytes: memory, lent: [[0, bytes]], reuse: () => idle.giveBack(memory) });
  return memory;
};

/**
 * Says that nobody reads these bytes of a received message any more, so that the memory they lie in can be read into again. To leave it out
 * costs garbage, nothing else; to do it twice may take the memory from a later message. A request is released once it is answered (NatsStrategy), so its
 * handler must not. Anything that is no part of a received message is let pass.
 */
export const releaseReceived = ({ buffer, byteOffset, byteLength }: Uint8Array): void => {
  const slab = slabOf.get(buffer);
  const index = slab?.lent.findIndex(([begin, end]) => begin <= byteOffset && byteOffset + byteLength <= end) ?? -1;
  if (slab === undefined || index < 0) return;
  slab.lent.splice(index, 1);
  if (slab.lent.length === 0) slab.reuse(slab);
};

/**
 * Memory that a connection is read into: few large blocks instead of a new buffer for every 64 KiB, in which a message lies in one piece. Cuts
 * what comes into pieces of whole protocol messages (`MSG <subject> <sid> [reply] <bytes>`, `HMSG ... <header bytes> <bytes>`, and the
 * one-line rest), so that the parser above need not put a message together.
 */
export class ReceiveSlabs {
  #slab: Slab;
  /** Beginning of what has not been handed on, and end of what has come. */
  #begin = 0;
  #end = 0;

  constructor() {
    this.#slab = this.#take(SLAB_BYTES);
  }

  /** Where the next read goes. */
  room(): Uint8Array {
    return this.#slab.bytes.subarray(this.#end);
  }

  /** `count` bytes have been read into `room()`. Each piece given to `emit` is one large message, or small ones in a buffer of their own. */
  received(count: number, emit: (piece: Uint8Array) => void): void {
    this.#end += count;
    const { bytes } = this.#slab;
    let at = this.#begin;
    let needed = 0;
    const emitSmall = (): void => {
      if (at > this.#begin) emit(Buffer.from(bytes.subarray(this.#begin, at)));
      this.#begin = at;
    };
    while (at < this.#end) {
      const length = messageBytes(bytes, at, this.#end);
      if (length === null || at + length > this.#end) {
        needed = length ?? 0;
        break;
      }
      if (length < LARGE_BYTES) {
        at += length;
        continue;
      }
      emitSmall();
      this.#slab.lent.push([at, at + length]);
      at += length;
      emit(bytes.subarray(this.#begin, at));
      this.#begin = at;
    }
    emitSmall();
    this.#makeRoom(needed);
  }

  readonly #reuse = (slab: Slab): void => {
    if (slab !== this.#slab) idle.giveBack(slab.bytes);
  };

  /** Room for the rest of a message of `needed` bytes (0: unknown), in one piece with what has come of it. */
  #makeRoom(needed: number): void {
    const rest = this.#end - this.#begin;
    const slab = this.#slab;
    if (rest === 0 && slab.lent.length === 0) {
      this.#begin = this.#end = 0;
      return;
    }
    const room = Math.max(needed - rest, MIN_ROOM_BYTES);
    if (this.#end + room <= slab.bytes.byteLength) return;
    const next = this.#take(Math.max(SLAB_BYTES, rest + room));
    next.bytes.set(slab.bytes.subarray(this.#begin, this.#end));
    this.#slab = next;
    this.#begin = 0;
    this.#end = rest;
    if (slab.lent.length === 0) this.#reuse(slab);
  }

  #take(bytes: number): Slab {
    const size = bytes <= SLAB_BYTES ? SLAB_BYTES : Math.ceil(bytes / SLAB_STEP_BYTES) * SLAB_STEP_BYTES;
    const slab: Slab = { bytes: idle.take(size), lent: [], reuse: this.#reuse };
    slabOf.set(slab.bytes.buffer, slab);
    return slab;
  }
}

/** Length of the protocol message at `at`, payload and all; null while its first line is not complete. */
const messageBytes = (bytes: Uint8Array, at: number, end: number): number | null => {
  const lineEnd = bytes.subarray(at, end).indexOf(CR);
  if (lineEnd < 0 || at + lineEnd + 2 > end) return null;
  const line = lineEnd + 2;
  const first = bytes[at];
  if (first !== LETTER_M && first !== LETTER_H) return line;
  let payload = 0;
  let scale = 1;
  for (let index = at + lineEnd - 1; ; index--) {
    const digit = bytes[index]! - ZERO;
    if (!(digit >= 0 && digit <= 9)) break;
    payload += digit * scale;
    scale *= 10;
  }
  return line + payload + 2;
};
