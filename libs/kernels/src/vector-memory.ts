import type { WasmMemory } from './web-assembly.ts';
import { wasm } from './web-assembly.ts';

/** Vectors begin at multiples of this: a cache line, and more than any SIMD lane needs. */
const ALIGNMENT_BYTES = 64;
const PAGE_BYTES = 64 * 1024;
/** The kernels' scratch (assembly/gradient-block.ts, assembly/constant.ts) lies below the first vector. */
const SCRATCH_BYTES = 4096 + 64;
/** What 32-bit addresses reach, less a page that V8 does not give. */
const MAX_BYTES = 4 * 2 ** 30 - PAGE_BYTES;

/**
 * A fixed run of WebAssembly memory from which vectors are cut, one after the other. They are ordinary typed arrays, on which kernels work in place
 * (`Kernels.of(memory)`). It never grows, so views stay valid for as long as somebody holds them; nothing is given back but the whole. What has not
 * been written to reads as zero and takes no physical memory: a region that may never be used costs addresses only.
 */
export class VectorMemory {
  readonly memory: WasmMemory;
  readonly shared: boolean;
  #next = SCRATCH_BYTES;

  private constructor(memory: WasmMemory, shared: boolean) {
    this.memory = memory;
    this.shared = shared;
  }

  /** Most bytes of vectors, each rounded up by `alignedBytes`, that one memory holds: 4 GiB less 64 KiB and the kernels' scratch. */
  static readonly maxVectorBytes = MAX_BYTES - SCRATCH_BYTES;

  /** What a vector of so many bytes takes of a memory. */
  static alignedBytes(bytes: number): number {
    return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  }

  /**
   * Room for vectors of so many bytes in all, each rounded up by `alignedBytes`.
   * @param options.shared its buffer is a SharedArrayBuffer, which other threads see after `postMessage` @default false
   * @throws RangeError above 4 GiB - 64 KiB, or when the system has no addresses left.
   */
  static create(bytes: number, { shared = false }: { shared?: boolean } = {}): VectorMemory {
    if (bytes > VectorMemory.maxVectorBytes)
      throw new RangeError(
        `${bytes} bytes are more than the ${VectorMemory.maxVectorBytes} that one memory can hold: split the vector on more shards`,
      );
    const pages = Math.ceil((SCRATCH_BYTES + bytes) / PAGE_BYTES);
    return new VectorMemory(new wasm.Memory({ initial: pages, maximum: pages, shared }), shared);
  }

  get buffer(): ArrayBufferLike {
    return this.memory.buffer;
  }

  float32(length: number): Float32Array {
    return new Float32Array(this.buffer, this.#allocate(length * Float32Array.BYTES_PER_ELEMENT), length);
  }

  uint16(length: number): Uint16Array {
    return new Uint16Array(this.buffer, this.#allocate(length * Uint16Array.BYTES_PER_ELEMENT), length);
  }

  int8(length: number): Int8Array {
    return new Int8Array(this.buffer, this.#allocate(length), length);
  }

  uint8(length: number): Uint8Array {
    return new Uint8Array(this.buffer, this.#allocate(length), length);
  }

  /** @throws RangeError when the memory is full: it was created too small. */
  #allocate(bytes: number): number {
    const at = this.#next;
    const next = at + VectorMemory.alignedBytes(bytes);
    const size = this.buffer.byteLength;
    if (next > size)
      throw new RangeError(`A vector of ${bytes} bytes does not fit into a memory of ${size}, ${at} taken`);
    this.#next = next;
    return at;
  }
}
