import type { EncodingSpec, JobPlan, KeyRange } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { VectorKernels } from '@downpour/kernels';
import { allocateEncoded, encodedBytes, Kernels, scaleCount, VectorMemory } from '@downpour/kernels';
import { rangesLength } from '@downpour/parameters';
import { BYTES_PER_ELEMENT, copyBytes, requireTensor } from '@downpour/tensor';
import type { OutgoingTensor, Tensor } from '@downpour/tensor';
import { gatherParts, scatterBytes, shardLength } from './shard-ranges.ts';

/** Room for one shard's values in an encoding. */
type Room = ReturnType<typeof allocateEncoded>;

/**
 * A job's vectors on a worker, in memory that TensorFlow's thread sees and kernels work on in place, and what turns them into what crosses the wire: gradients
 * with error feedback (what rounding took away of one gradient is added to the next), parameters without.
 */
export class ParameterMemory {
  readonly #encoding: EncodingSpec;
  readonly #length: number;
  /** Null where a float32 job is too large for one memory: it needs no kernels. */
  readonly #memory: VectorMemory | null;
  #vectorsLeft: number;
  readonly #residuals: Float32Array[] = [];
  #codes: Room | null = null;
  #received: Room | null = null;
  #values: Float32Array | null = null;

  /** @param vectors how many `allocate` gives. @throws DownpourError invalid-request when a job that is not all float32 does not fit into 4 GiB */
  constructor({ spec, layout, shards }: Pick<JobPlan, 'spec' | 'layout' | 'shards'>, vectors: number) {
    this.#encoding = spec.encoding;
    this.#length = layout.length;
    this.#vectorsLeft = vectors;
    const { gradients, parameters } = this.#encoding;
    const lengths = shards.map(shardLength);
    const longest = Math.max(...lengths);
    const float32 = (length: number) => VectorMemory.alignedBytes(length * Float32Array.BYTES_PER_ELEMENT);
    const plain = gradients === 'float32' && parameters === 'float32';
    let bytes = vectors * float32(layout.length);
    if (!plain) bytes += float32(longest) + encodedBytes(gradients, longest) + encodedBytes(parameters, longest);
    if (gradients !== 'float32') bytes += lengths.reduce((sum, length) => sum + float32(length), 0);
    if (bytes > VectorMemory.maxVectorBytes) {
      if (!plain)
        throw new DownpourError(
          'invalid-request',
          `Encodings need ${bytes} bytes in one memory of 4 GiB for ${layout.length} parameters: use float32, or a smaller OUTSTANDING_PUSHES`,
          { field: 'encoding' },
        );
      this.#memory = null;
      return;
    }
    this.#memory = VectorMemory.create(bytes, { shared: true });
    if (plain) return;
    this.#values = this.#memory.float32(longest);
    if (parameters !== 'float32') this.#received = allocateEncoded(this.#memory, parameters, longest);
    if (gradients === 'float32') return;
    this.#codes = allocateEncoded(this.#memory, gradients, longest);
    this.#residuals = lengths.map((length) => this.#memory!.float32(length));
  }

  /** float32 [length], zeros; null when there is none left: any other vector will do, at a copy. */
  allocate(): Float32Array | null {
    if (this.#memory === null || this.#vectorsLeft === 0) return null;
    this.#vectorsLeft -= 1;
    return this.#memory.float32(this.#length);
  }

  /** Whether no value is NaN or infinite; undefined for a vector outside of this memory. */
  finite(vector: Float32Array): boolean | undefined {
    return this.#vectorsAt(vector)?.allFinite(vector);
  }

  /** A push without a gradient: every shard is told that there was a bad one. */
  none(): Record<string, OutgoingTensor> {
    return { gradient: { dtype: this.#encoding.gradients, shape: [0], data: new Uint8Array(0) } };
  }

  /** The tensors of a push to one shard: views, good until the next call. Each gradient is to be encoded once. */
  encode(gradient: Float32Array, shard: number, ranges: readonly KeyRange[]): Record<string, OutgoingTensor> {
    const parts = gatherParts(gradient, ranges);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const codes = this.#codes;
    const { gradients } = this.#encoding;
    if (codes === null || gradients === 'float32')
      return { gradient: { dtype: 'float32', shape: [length], data: parts } };
    const values =
      parts.length === 1 && gradient.buffer === this.#memory!.buffer ? parts[0]! : gathered(parts, this.#values!);
    this.#codecs.encode(values, codes, this.#residuals[shard]);
    const bytes = gradients === 'int8' ? length : 2 * length;
    return {
      gradient: { dtype: gradients, shape: [length], data: codes.codes.subarray(0, bytes) },
      ...(codes.scales && {
        scales: { dtype: 'float32', shape: [scaleCount(length)], data: codes.scales.subarray(0, scaleCount(length)) },
      }),
    };
  }

  /** @throws DownpourError internal when these are not the parameters of a shard of these ranges, in float32 or the job's encoding. */
  check(tensors: Record<string, Tensor>, ranges: readonly KeyRange[]): void {
    const { dtype, data } = requireTensor(tensors, 'parameters');
    const length = rangesLength(ranges);
    const expected = dtype === 'float32' || dtype === this.#encoding.parameters;
    const scaleBytes = dtype === 'int8' ? Float32Array.BYTES_PER_ELEMENT * scaleCount(length) : undefined;
    const whole = data.byteLength === length * BYTES_PER_ELEMENT[dtype];
    if (!expected || !whole || tensors['scales']?.data.byteLength !== scaleBytes)
      throw new DownpourError('internal', `The shard sent ${data.byteLength} bytes of ${dtype} for ${length} values`);
  }

  /** Writes a shard's parameters, as they came, to their places in the flat vector. @throws as `check` */
  decode(tensors: Record<string, Tensor>, into: Float32Array, ranges: readonly KeyRange[]): void {
    this.check(tensors, ranges);
    const { dtype, data } = requireTensor(tensors, 'parameters');
    const { scales } = tensors;
    // Always there where the job's encoding is another.
    const received = this.#received;
    if (dtype === 'float32' || received === null) return scatterBytes(data, into, ranges);
    copyBytes(data, received.codes as Uint8Array);
    if (received.scales && scales) bytesOf(received.scales).set(scales.data);
    const inPlace = into.buffer === this.#memory!.buffer;
    let from = 0;
    for (const { begin, end } of ranges) {
      const target = inPlace ? into.subarray(begin, end) : this.#values!.subarray(0, end - begin);
      this.#codecs.decode(received, target, from);
      if (!inPlace) into.set(target, begin);
      from += end - begin;
    }
  }

  /** y += factor * x; false for other vectors than those of `allocate`. */
  addScaled(factor: number, x: Float32Array, y: Float32Array): boolean {
    const memory = this.#memory;
    if (x.buffer !== memory?.buffer || y.buffer !== memory.buffer) return false;
    Kernels.of(memory).vectors.axpy(factor, x, y);
    return true;
  }

  /** Sum of squares in float64; undefined for a vector outside of this memory. */
  sumOfSquares(x: Float32Array): number | undefined {
    return this.#vectorsAt(x)?.sumOfSquares(x);
  }

  /** x *= factor; false for other vectors than those of `allocate`. */
  scale(factor: number, x: Float32Array): boolean {
    const vectors = this.#vectorsAt(x);
    vectors?.scale(x, factor);
    return vectors !== null;
  }

  /** Brings x within [-limit, limit]; false for other vectors than those of `allocate`. */
  clamp(limit: number, x: Float32Array): boolean {
    const vectors = this.#vectorsAt(x);
    vectors?.clamp(x, limit);
    return vectors !== null;
  }

  /** Null where the vector lies elsewhere. */
  #vectorsAt({ buffer }: Float32Array): VectorKernels | null {
    const memory = this.#memory;
    return memory !== null && buffer === memory.buffer ? Kernels.of(memory).vectors : null;
  }

  get #codecs() {
    return Kernels.of(this.#memory!).codecs;
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);

const gathered = (parts: readonly Float32Array[], into: Float32Array): Float32Array => {
  let at = 0;
  for (const part of parts) {
    into.set(part, at);
    at += part.length;
  }
  return into.subarray(0, at);
};
