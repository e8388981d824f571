import type { ValueEncoding } from '@downpour/contracts';
import type { EncodedVector } from '@downpour/kernels';
import { encodedBytes, Kernels, scaleCount, VectorMemory } from '@downpour/kernels';
import { BYTES_PER_ELEMENT } from '@downpour/tensor';
import type { OutgoingTensor, Tensor } from '@downpour/tensor';

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
  /** float32 [length] each: a step's mean gradient, and one that is added to it. Memory only for strategies that make such a mean. */
  readonly #mean: Float32Array;
  readonly #addend: Float32Array;
  readonly #gradient: Uint8Array;
  readonly #scales: Float32Array;
  /** Parameters that go out in another encoding than their own. */
  readonly #outgoing: Uint8Array;
  readonly #outgoingScales: Float32Array;

  /** @throws RangeError when that is more than one memory holds; `placeParameters` refuses such a shard before. */
  constructor(length: number, trainableLength: number, slotCount: number) {
    const memory = VectorMemory.create(ShardMemory.addressedBytes(length, trainableLength, slotCount));
    this.kernels = Kernels.of(memory);
    this.parameters = memory.float32(length);
    this.trainable = this.parameters.subarray(0, trainableLength);
    this.state = this.parameters.subarray(trainableLength);
    this.slots = Array.from({ length: slotCount }, () => memory.float32(trainableLength));
    this.bytes = heldBytes(length, trainableLength, slotCount);
    this.#mean = memory.float32(length);
    this.#addend = memory.float32(length);
    this.#gradient = memory.uint8(length * Float32Array.BYTES_PER_ELEMENT);
    this.#scales = memory.float32(scaleCount(length));
    this.#outgoing = memory.uint8(length * Uint16Array.BYTES_PER_ELEMENT);
    this.#outgoingScales = memory.float32(scaleCount(length));
  }

  /** What a shard's memory must have addresses for: at most VectorMemory.maxVectorBytes. */
  static addressedBytes(length: number, trainableLength: number, slotCount: number): number {
    // Gradients of float32 and parameters of 16 bits are the largest; only those of int8 have scales.
    const scales = encodedBytes('int8', length) - VectorMemory.alignedBytes(length);
    const rooms = 3 * encodedBytes('float32', length) + encodedBytes('bfloat16', length) + 2 * scales;
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

  /** The mean of gradients, each with its weight (weights sum to 1), added in the order given: good until the next. */
  mean(gradients: readonly { gradient: Tensor; scales?: Tensor; weight: number }[]): EncodedVector {
    const { codecs, vectors } = this.kernels;
    this.#mean.fill(0);
    for (const { gradient, scales, weight } of gradients) {
      codecs.decode(this.take(gradient, scales), this.#addend);
      vectors.axpy(weight, this.#addend, this.#mean);
    }
    return { encoding: 'float32', codes: this.#mean };
  }

  /** The parameters in that encoding, as tensors of an answer: views of them, or of room that the next call overwrites. */
  encode(encoding: ValueEncoding): Record<string, OutgoingTensor> {
    const { length } = this.parameters;
    const tensor = (dtype: ValueEncoding, data: OutgoingTensor['data']) => ({ dtype, shape: [length], data });
    if (encoding === 'float32') return { parameters: tensor(encoding, this.parameters) };
    const codes = this.#outgoing.subarray(0, length * BYTES_PER_ELEMENT[encoding]);
    const scales = this.#outgoingScales;
    this.kernels.codecs.encode(this.parameters, { encoding, codes, scales });
    return {
      parameters: tensor(encoding, codes),
      ...(encoding === 'int8' && { scales: { dtype: 'float32', shape: [scales.length], data: scales } }),
    };
  }
}

const heldBytes = (length: number, trainableLength: number, slotCount: number): number =>
  encodedBytes('float32', length) + slotCount * encodedBytes('float32', trainableLength);
