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

/** Growable shared memory starts at a page, so TensorFlow reads it where it is; other memory it copies to align it. */
export function sharedVector(length: number): Float32Array {
  const bytes = Math.max(4, length * 4);
  // ES2024; the compiler's library is ES2023.
  const Growable = SharedArrayBuffer as new (bytes: number, options: { maxByteLength: number }) => SharedArrayBuffer;
  return new Float32Array(new Growable(bytes, { maxByteLength: bytes }), 0, length);
}
