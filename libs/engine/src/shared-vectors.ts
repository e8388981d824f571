/**
 * float32 vectors in memory that both threads see, so that parameters are copied once on their way into a step and never
 * serialised. A vector is the caller's until it is given back.
 */
export class SharedVectors {
  readonly #length: number;
  readonly #free: Float32Array[] = [];

  constructor(length: number) {
    this.#length = length;
  }

  /** A vector with these values; the given one itself where it already is in shared memory. */
  take(values: Float32Array): Float32Array {
    if (values.buffer instanceof SharedArrayBuffer) return values;
    const vector = this.#free.pop() ?? sharedVector(this.#length);
    vector.set(values);
    return vector;
  }

  giveBack(vector: Float32Array, values: Float32Array): void {
    if (vector !== values) this.#free.push(vector);
  }
}

/** A vector that TensorFlow reads and writes where it is, and so does every thread. */
export function sharedVector(length: number): Float32Array {
  return new Float32Array(sharedMemory(length * Float32Array.BYTES_PER_ELEMENT), 0, length);
}

/**
 * Memory that all threads see. Growable shared memory starts at a page, so TensorFlow uses it where it is; other memory it copies to
 * align it.
 */
export function sharedMemory(bytes: number): SharedArrayBuffer {
  const size = Math.max(4, bytes);
  // ES2024; the compiler's library is ES2023.
  const Growable = SharedArrayBuffer as new (bytes: number, options: { maxByteLength: number }) => SharedArrayBuffer;
  return new Growable(size, { maxByteLength: size });
}
