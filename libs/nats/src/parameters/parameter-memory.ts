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

/** Where vectors lie, and what the job's encodings need of it: as long as its longest shard, or empty where all is float32. */
interface Rooms {
  memory: VectorMemory;
  /** Gradients put together, or parameters on their way to vectors that lie elsewhere. */
  values: Float32Array;
  /** Parameters as they came. */
  received: Room;
  /** Gradients as they go. */
  codes: Room;
  /** What rounding took away of each shard's gradient. */
  residuals: readonly Float32Array[];
}

/**
 * A job's vectors on a worker, in memory that TensorFlow's thread sees and kernels work on in place, and what turns them into what crosses the wire: gradients
 * with error feedback (what rounding took away of one gradient is added to the next), parameters without.
 */
export class ParameterMemory {
  readonly #encoding: EncodingSpec;
  readonly #length: number;
  /** Of each shard. */
  readonly #lengths: readonly number[];
  /** Null where a float32 job is too large for one memory: it needs no kernels. */
  readonly #bytes: number | null;
  #vectorsLeft: number;
  /** Taken when it is first needed: who pulls float32 once needs none. */
  #rooms: Rooms | null = null;

  /** @param vectors how many `allocate` gives. @throws DownpourError invalid-request when a job that is not all float32 does not fit into 4 GiB */
  constructor({ spec, layout, shards }: Pick<JobPlan, 'spec' | 'layout' | 'shards'>, vectors: number) {
    this.#encoding = spec.encoding;
    this.#length = layout.length;
    this.#lengths = shards.map(shardLength);
    this.#vectorsLeft = vectors;
    const { gradients, parameters } = this.#encoding;
    const longest = Math.max(...this.#lengths);
    let bytes = vectors * float32Bytes(layout.length);
    if (!this.#plain)
      bytes += float32Bytes(longest) + encodedBytes(gradients, longest) + encodedBytes(parameters, longest);
    if (gradients !== 'float32') bytes += this.#lengths.reduce((sum, length) => sum + float32Bytes(length), 0);
    const fits = bytes <= VectorMemory.maxVectorBytes;
    if (!fits && !this.#plain)
      throw new DownpourError(
        'invalid-request',
        `Encodings need ${bytes} bytes in one memory of 4 GiB for ${layout.length} parameters: use float32, or a smaller OUTSTANDING_PUSHES`,
        { field: 'encoding' },
      );
    this.#bytes = fits ? bytes : null;
  }

  /** float32 [length], zeros; null when there is none left: any other vector will do, at a copy. */
  allocate(): Float32Array | null {
    if (this.#bytes === null || this.#vectorsLeft === 0) return null;
    this.#vectorsLeft -= 1;
    return this.#taken().memory.float32(this.#length);
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
    const { gradients } = this.#encoding;
    if (gradients === 'float32') return { gradient: { dtype: 'float32', shape: [length], data: parts } };
    const { memory, codes, residuals, values: room } = this.#taken();
    const values = parts.length === 1 && gradient.buffer === memory.buffer ? parts[0]! : gathered(parts, room);
    Kernels.of(memory).codecs.encode(values, codes, residuals[shard]);
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
    if (dtype === 'float32') return scatterBytes(data, into, ranges);
    const { memory, received, values } = this.#taken();
    copyBytes(data, received.codes);
    if (received.scales && scales) bytesOf(received.scales).set(scales.data);
    const inPlace = into.buffer === memory.buffer;
    let from = 0;
    for (const { begin, end } of ranges) {
      const target = inPlace ? into.subarray(begin, end) : values.subarray(0, end - begin);
      Kernels.of(memory).codecs.decode(received, target, from);
      if (!inPlace) into.set(target, begin);
      from += end - begin;
    }
  }

  /** y += factor * x; false for other vectors than those of `allocate`. */
  addScaled(factor: number, x: Float32Array, y: Float32Array): boolean {
    const vectors = x.buffer === y.buffer ? this.#vectorsAt(x) : null;
    vectors?.axpy(factor, x, y);
    return vectors !== null;
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
    const memory = this.#rooms?.memory;
    return memory !== undefined && buffer === memory.buffer ? Kernels.of(memory).vectors : null;
  }

  get #plain(): boolean {
    return this.#encoding.gradients === 'float32' && this.#encoding.parameters === 'float32';
  }

  #taken(): Rooms {
    return (this.#rooms ??= this.#take());
  }

  #take(): Rooms {
    const { gradients, parameters } = this.#encoding;
    const memory = VectorMemory.create(this.#bytes!, { shared: true });
    const longest = this.#plain ? 0 : Math.max(...this.#lengths);
    return {
      memory,
      values: memory.float32(longest),
      received: allocateEncoded(memory, parameters, parameters === 'float32' ? 0 : longest),
      codes: allocateEncoded(memory, gradients, gradients === 'float32' ? 0 : longest),
      residuals: gradients === 'float32' ? [] : this.#lengths.map((length) => memory.float32(length)),
    };
  }
}

const float32Bytes = (length: number): number => VectorMemory.alignedBytes(length * Float32Array.BYTES_PER_ELEMENT);

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);

const gathered = (parts: readonly Float32Array[], into: Float32Array): Float32Array => {
  let at = 0;
  for (const part of parts) {
    into.set(part, at);
    at += part.length;
  }
  return into.subarray(0, at);
};
