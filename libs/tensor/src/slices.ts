import { DownpourError } from '@downpour/contracts';

/** What a slice says of itself: which message, which of how many slices, and the size of the whole in bytes. */
export interface SliceHead {
  id: string;
  index: number;
  count: number;
  totalBytes: number;
}

export interface Slice extends SliceHead {
  data: Uint8Array;
}

/** Header line of a slice (`Dp-Slice`): `<id> <index> <count> <totalBytes>`. */
export const formatSliceHead = ({ id, index, count, totalBytes }: SliceHead): string =>
  `${id} ${index} ${count} ${totalBytes}`;

const HEAD = /^([A-Za-z0-9._-]{1,128}) (\d{1,7}) (\d{1,7}) (\d{1,15})$/;

/** @throws DownpourError invalid-request */
export const parseSliceHead = (text: string): SliceHead => {
  const [, id, index, count, totalBytes] = HEAD.exec(text) ?? [];
  if (id === undefined) throw new DownpourError('invalid-request', `"${text.slice(0, 80)}" does not describe a slice`);
  return { id, index: Number(index), count: Number(count), totalBytes: Number(totalBytes) };
};

/** Cuts a frame into views of at most `maxBytes` each; a frame that fits is one slice. Nothing is copied. */
export const sliceFrame = (bytes: Uint8Array, maxBytes: number): Uint8Array[] => {
  if (bytes.byteLength <= maxBytes) return [bytes];
  const slices: Uint8Array[] = [];
  for (let begin = 0; begin < bytes.byteLength; begin += maxBytes)
    slices.push(bytes.subarray(begin, Math.min(begin + maxBytes, bytes.byteLength)));
  return slices;
};

export interface SliceAssemblerOptions {
  /** Largest whole message. @default 4 GiB - 1: what one buffer may hold in every Node */
  maxMessageBytes?: number;
  /** Most bytes of messages under assembly; a new one beyond it is refused. @default the same */
  maxPendingBytes?: number;
  /** Memory for a whole message, of unknown content, at the beginning of a buffer. @default new memory */
  allocate?: (bytes: number) => Uint8Array;
}

/** Bookkeeping of one message, counted so that many tiny ones are bounded too. */
const OVERHEAD_BYTES = 1024;

interface Pending {
  count: number;
  totalBytes: number;
  sliceBytes: number | undefined;
  have: Uint8Array;
  missing: number;
  bytes: Uint8Array;
  lastBytes: number | undefined;
}

/**
 * Puts messages together again from slices, in whatever order they come; doubles are dropped. Every slice but the last has one
 * size, so each is copied once to its place in an aligned buffer. The caller decides when a message that stays incomplete is given up (`drop`).
 */
export class SliceAssembler {
  readonly #pending = new Map<string, Pending>();
  readonly #maxMessageBytes: number;
  readonly #maxPendingBytes: number;
  readonly #allocate: (bytes: number) => Uint8Array;
  #pendingBytes = 0;

  constructor({
    maxMessageBytes = 2 ** 32 - 1,
    maxPendingBytes = maxMessageBytes + OVERHEAD_BYTES,
    // Untouched pages cost no memory, so a forged size costs address space only.
    allocate = (bytes) => new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer),
  }: SliceAssemblerOptions = {}) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#maxPendingBytes = maxPendingBytes;
    this.#allocate = allocate;
  }

  /** Messages under assembly. */
  get size(): number {
    return this.#pending.size;
  }

  /** Bytes reserved for them. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  ids(): IterableIterator<string> {
    return this.#pending.keys();
  }

  /**
   * Takes a slice; returns the whole message when it was the last one missing, else null.
   * @throws DownpourError invalid-request when the slice contradicts itself or its siblings, too-large beyond the limits. The
   *   message is given up then.
   */
  add(slice: Slice): Uint8Array | null {
    const { id, index, count, totalBytes, data } = slice;
    if (count === 1 && index === 0 && data.byteLength === totalBytes) return data;
    try {
      const pending = this.#pending.get(id) ?? this.#open(slice);
      if (pending.count !== count || pending.totalBytes !== totalBytes)
        throw invalid(slice, 'its siblings speak of another message');
      if (pending.have[index] === 1) return null;
      this.#place(pending, slice);
      pending.have[index] = 1;
      pending.missing -= 1;
      if (pending.missing > 0) return null;
      this.drop(id);
      return pending.bytes;
    } catch (error) {
      this.drop(id);
      throw error;
    }
  }

  /** Gives a message up. */
  drop(id: string): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    this.#pendingBytes -= pending.totalBytes + OVERHEAD_BYTES;
  }

  #open(slice: Slice): Pending {
    const { id, index, count, totalBytes } = slice;
    if (count < 1 || index >= count || totalBytes < count) throw invalid(slice, 'its numbers contradict each other');
    if (totalBytes > this.#maxMessageBytes)
      throw new DownpourError(
        'too-large',
        `A message of ${totalBytes} bytes is over the limit of ${this.#maxMessageBytes}`,
      );
    if (this.#pendingBytes + totalBytes + OVERHEAD_BYTES > this.#maxPendingBytes)
      throw new DownpourError('too-large', `${this.#pendingBytes} bytes are under assembly already: ${id} has to wait`);
    const pending: Pending = {
      count,
      totalBytes,
      sliceBytes: undefined,
      have: new Uint8Array(count),
      missing: count,
      bytes: this.#allocate(totalBytes),
      lastBytes: undefined,
    };
    this.#pending.set(id, pending);
    this.#pendingBytes += totalBytes + OVERHEAD_BYTES;
    return pending;
  }

  #place(pending: Pending, slice: Slice): void {
    const { index, count, totalBytes, data } = slice;
    if (index === count - 1) {
      if (data.byteLength > totalBytes) throw invalid(slice, 'it is longer than the whole');
      // The last slice ends where the message ends, so its place needs no other slice.
      pending.bytes.set(data, totalBytes - data.byteLength);
      pending.lastBytes = data.byteLength;
    } else {
      pending.sliceBytes ??= data.byteLength;
      if (data.byteLength !== pending.sliceBytes) throw invalid(slice, 'slices but the last must be of one size');
    }
    const { sliceBytes } = pending;
    if (sliceBytes !== undefined) {
      const lastBytes = totalBytes - sliceBytes * (count - 1);
      if (
        lastBytes < 1 ||
        lastBytes > sliceBytes ||
        (pending.lastBytes !== undefined && pending.lastBytes !== lastBytes)
      )
        throw invalid(slice, 'its size does not fit the whole');
      if (index < count - 1) pending.bytes.set(data, index * sliceBytes);
    } else if (count === 1) throw invalid(slice, 'its size does not fit the whole');
  }
}

const invalid = ({ id, index, count }: SliceHead, why: string): DownpourError =>
  new DownpourError('invalid-request', `Slice ${index} of ${count} of message ${id} is refused: ${why}`);
