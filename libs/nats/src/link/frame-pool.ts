/** Smaller frames are not worth keeping. */
const LEAST_BYTES = 16 * 1024;
const CLASS_BYTES = 4096;
/** A size that nobody has asked for so long is one of a phase that is over, or of a job; where steps take longer, new memory does not count. */
const FORGET_MS = 2000;

/** Memory of one size; `wanted`: it was asked for of late. */
interface Idle {
  buffers: Uint8Array[];
  wanted: boolean;
}

/**
 * Memory for large messages, used again: the messages of a job have few sizes, and a new buffer for each keeps the garbage collector busy with
 * nothing else to find. (It made up half of a shard's CPU time with 8 M float32 parameters.) What is not given back is garbage, no more.
 */
export class FramePool {
  readonly #maxIdleBytes: number;
  readonly #idle = new Map<number, Idle>();
  #idleBytes = 0;
  #sweep: NodeJS.Timeout | undefined;

  constructor(maxIdleBytes = 64 * 2 ** 20) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  /** Memory that is idle now. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** `bytes` bytes of unknown content, at the beginning of a buffer. */
  take = (bytes: number): Uint8Array => {
    if (bytes < LEAST_BYTES) return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
    const size = Math.ceil(bytes / CLASS_BYTES) * CLASS_BYTES;
    const idle = this.#idle.get(size);
    if (idle !== undefined) idle.wanted = true;
    const found = idle?.buffers.pop();
    if (found !== undefined) this.#idleBytes -= size;
    const buffer = found ?? new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
    return buffer.subarray(0, bytes);
  };

  giveBack(frame: Uint8Array): void {
    const size = frame.buffer.byteLength;
    if (frame.byteLength < LEAST_BYTES || this.#idleBytes + size > this.#maxIdleBytes) return;
    this.#sweep ??= setInterval(() => this.#forget(), FORGET_MS).unref();
    const idle = this.#idle.get(size);
    const buffer = new Uint8Array(frame.buffer);
    if (idle === undefined) this.#idle.set(size, { buffers: [buffer], wanted: true });
    else idle.buffers.push(buffer);
    this.#idleBytes += size;
  }

  #forget(): void {
    for (const [size, idle] of this.#idle) {
      if (!idle.wanted) {
        this.#idle.delete(size);
        this.#idleBytes -= size * idle.buffers.length;
      }
      idle.wanted = false;
    }
    if (this.#idle.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}
