/** Smaller frames are not worth keeping. */
const LEAST_BYTES = 16 * 1024;
const CLASS_BYTES = 4096;

/**
 * Memory for outgoing frames, used again: the messages of a job have few sizes, and a new buffer for each keeps the garbage collector busy with
 * nothing else to find. What is not given back is garbage, no more.
 */
export class FramePool {
  readonly #maxIdleBytes: number;
  readonly #idle = new Map<number, Uint8Array[]>();
  #idleBytes = 0;

  constructor(maxIdleBytes = 64 * 2 ** 20) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  /** `bytes` bytes of unknown content, at the beginning of a buffer. */
  take = (bytes: number): Uint8Array => {
    if (bytes < LEAST_BYTES) return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
    const size = Math.ceil(bytes / CLASS_BYTES) * CLASS_BYTES;
    const found = this.#idle.get(size)?.pop();
    if (found !== undefined) this.#idleBytes -= size;
    const buffer = found ?? new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
    return buffer.subarray(0, bytes);
  };

  giveBack(frame: Uint8Array): void {
    const size = frame.buffer.byteLength;
    if (frame.byteLength < LEAST_BYTES || this.#idleBytes + size > this.#maxIdleBytes) return;
    const idle = this.#idle.get(size);
    const buffer = new Uint8Array(frame.buffer);
    if (idle === undefined) this.#idle.set(size, [buffer]);
    else idle.push(buffer);
    this.#idleBytes += size;
  }
}
