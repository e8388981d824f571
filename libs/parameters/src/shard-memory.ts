import type { ParameterEncoding } from '@downpour/contracts';
import type { EncodedVector } from '@downpour/kernels';
import { encodedBytes, Kernels, scaleCount, VectorMemory } from '@downpour/kernels';
import type { DType, Tensor } from '@downpour/tensor';

/** Values in one of the wire's encodings, as bytes to be sent. */
export interface EncodedParameters {
  dtype: Extract<DType, ParameterEncoding>;
  data: Float32Array | Uint16Array;
}

/** All numbers of a shard in one memory, on which the kernels work in place: parameters, the update rule's slots, and room for what comes and goes. */
export class ShardMemory {
  readonly kernels: Kernels;
  /** float32 [length] */
  readonly parameters: Float32Array;
  /** The first of them, float32 [trainableLength], and the others. */
  readonly trainable: Float32Array;
  readonly state: Float32Array;
  /** float32 [trainableLength] each: state has no rule. */
  readonly slots: readonly Float32Array[];
  /** Bytes that parameters and slots take; the rooms below cost memory only once they are used. */
  readonly bytes: number;
  readonly #gradient: Uint8Array;
  readonly #scales: Float32Array;
  readonly #outgoing: Uint16Array;

  /** @throws RangeError when that is more than one memory holds; `placeParameters` refuses such a shard before. */
  constructor(length: number, trainableLength: number, slotCount: number) {
    const memory = VectorMemory.create(ShardMemory.addressedBytes(length, trainableLength, slotCount));
    this.kernels = Kernels.of(memory);
    this.parameters = memory.float32(length);
    this.trainable = this.parameters.subarray(0, trainableLength);
    this.state = this.parameters.subarray(trainableLength);
    this.slots = Array.from({ length: slotCount }, () => memory.float32(trainableLength));
    this.bytes = heldBytes(length, trainableLength, slotCount);
    this.#gradient = memory.uint8(length * Float32Array.BYTES_PER_ELEMENT);
    this.#scales = memory.float32(scaleCount(length));
    this.#outgoing = memory.uint16(length);
  }

  /** What a shard's memory must have addresses for: at most VectorMemory.maxVectorBytes. */
  static addressedBytes(length: number, trainableLength: number, slotCount: number): number {
    // A gradient of float32 is the largest; only one of int8 has scales.
    const scales = encodedBytes('int8', length) - VectorMemory.alignedBytes(length);
    const rooms = encodedBytes('float32', length) + scales + encodedBytes('bfloat16', length);
    return heldBytes(length, trainableLength, slotCount) + rooms;
  }

  /** Copies a gradient in, wherever its bytes lie: good until the next. */
  take({ dtype, data }: Tensor, scales?: Tensor): EncodedVector {
    const encoding = dtype as EncodedVector['encoding'];
    const codes = this.#gradient.subarray(0, data.byteLength);
    codes.set(data);
    if (scales === undefined) return { encoding, codes };
    new Uint8Array(this.#scales.buffer, this.#scales.byteOffset, this.#scales.byteLength).set(scales.data);
    return { encoding, codes, scales: this.#scales };
  }

  /** The parameters in that encoding: a view of them, or of room that the next call overwrites. */
  encode(encoding: ParameterEncoding): EncodedParameters {
    if (encoding === 'float32') return { dtype: encoding, data: this.parameters };
    this.kernels.codecs.encode(this.parameters, { encoding, codes: this.#outgoing });
    return { dtype: encoding, data: this.#outgoing };
  }
}

const heldBytes = (length: number, trainableLength: number, slotCount: number): number =>
  encodedBytes('float32', length) + slotCount * encodedBytes('float32', trainableLength);
