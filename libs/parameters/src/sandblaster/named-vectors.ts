import type { VectorOperation } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { Kernels, VectorMemory } from '@downpour/kernels';

type Arithmetic = Extract<VectorOperation, { op: 'copy' | 'scale' | 'axpy' | 'multiply' | 'dot' }>;

/** A shard's slices of the vectors of L-BFGS, by name, in one memory: a vector is made when it is first named, and is zero then. */
export class NamedVectors {
  readonly length: number;
  readonly #memory: VectorMemory;
  readonly #kernels: Kernels;
  readonly #vectors = new Map<string, Float32Array>();
  readonly #most: number;

  /** @throws RangeError when so many vectors are more than one memory holds: the job needs more shards */
  constructor(length: number, most: number) {
    this.length = length;
    this.#most = most;
    // Addresses only: memory is taken by what is written to.
    this.#memory = VectorMemory.create(most * VectorMemory.alignedBytes(length * Float32Array.BYTES_PER_ELEMENT));
    this.#kernels = Kernels.of(this.#memory);
  }

  /** Of the vectors that there are. */
  get bytes(): number {
    return this.#vectors.size * this.length * Float32Array.BYTES_PER_ELEMENT;
  }

  /** @throws DownpourError invalid-request when there are too many */
  get(name: string): Float32Array {
    let vector = this.#vectors.get(name);
    if (vector !== undefined) return vector;
    if (this.#vectors.size === this.#most)
      throw new DownpourError(
        'invalid-request',
        `A shard has room for ${this.#most} vectors, ${name} would be one more`,
      );
    vector = this.#memory.float32(this.length);
    this.#vectors.set(name, vector);
    return vector;
  }

  has(name: string): boolean {
    return this.#vectors.has(name);
  }

  allFinite(name: string): boolean {
    return this.#kernels.vectors.allFinite(this.get(name));
  }

  /** The scalar of a dot, null of anything else. */
  operate(operation: Arithmetic): number | null {
    const { vectors } = this.#kernels;
    switch (operation.op) {
      case 'copy':
        vectors.copy(this.get(operation.from), this.get(operation.into));
        return null;
      case 'scale':
        vectors.scale(this.get(operation.vector), operation.factor);
        return null;
      case 'axpy':
        vectors.axpy(operation.factor, this.get(operation.x), this.get(operation.y));
        return null;
      case 'multiply':
        vectors.multiply(this.get(operation.x), this.get(operation.y));
        return null;
      case 'dot':
        return vectors.dot(this.get(operation.x), this.get(operation.y));
    }
  }
}
