import { readFileSync } from 'node:fs';
import type { EncodedVector } from './encoded-vector.ts';
import { ENCODINGS, scaleCount } from './encoded-vector.ts';
import type { VectorMemory } from './vector-memory.ts';
import type { WasmModule } from './web-assembly.ts';
import { wasm } from './web-assembly.ts';

/** What assembly/index.ts exports. Vectors are addresses; an encoded vector is encoding, codes, scales. */
export interface KernelExports {
  sgd(...args: [...Encoded, length: number, parameters: number, minusRate: number]): void;
  momentum(
    ...args: [
      ...Encoded,
      ...[length: number, parameters: number, accumulated: number],
      ...[minusRate: number, momentum: number, nesterov: number],
    ]
  ): void;
  adagrad(
    ...args: [...Encoded, length: number, parameters: number, sums: number, minusRate: number, epsilon: number]
  ): void;
  rmsprop(
    ...args: [
      ...Encoded,
      ...[length: number, parameters: number, means: number, moments: number],
      ...[rate: number, decay: number, rest: number, momentum: number, epsilon: number],
    ]
  ): void;
  adam(
    ...args: [
      ...Encoded,
      ...[length: number, parameters: number, means: number, squares: number, minusRate: number],
      ...[beta1: number, rest1: number, correction1: number],
      ...[beta2: number, rest2: number, correction2: number, epsilon: number],
    ]
  ): void;
  accumulate(...args: [...Encoded, from: number, length: number, into: number]): void;
  decode(...args: [...Encoded, from: number, length: number, into: number]): void;
  finite(...args: [...Encoded, length: number]): number;
  encodeBfloat16(values: number, residual: number, codes: number, length: number): void;
  encodeFloat16(values: number, residual: number, codes: number, length: number): void;
  encodeInt8(values: number, residual: number, codes: number, scales: number, length: number): void;
  dot(x: number, y: number, length: number): number;
  scale(x: number, length: number, factor: number): void;
  axpy(factor: number, x: number, y: number, length: number): void;
  multiply(x: number, y: number, length: number): void;
  clamp(x: number, length: number, limit: number): void;
  copy(from: number, into: number, length: number): void;
  allFinite(x: number, length: number): number;
}
type Encoded = [encoding: number, codes: number, scales: number];

/** Compiled once a process, when first needed. */
const modules = new Map<string, WasmModule>();

/** @throws Error when `npm run build` has not made the file. */
const moduleOf = (shared: boolean): WasmModule => {
  const name = shared ? 'kernels-shared.wasm' : 'kernels.wasm';
  let module = modules.get(name);
  if (module === undefined) {
    // Beside src and dist alike.
    const file = new URL(`../wasm/${name}`, import.meta.url);
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(file);
    } catch (cause) {
      throw new Error(`${file.pathname} is missing: run \`npm run build\`, which compiles libs/kernels/assembly`, {
        cause,
      });
    }
    module = new wasm.Module(bytes);
    modules.set(name, module);
  }
  return module;
};

/** The kernels' code bound to one memory, and the checks that keep it within the vectors it is given. */
export class KernelInstance {
  readonly exports: KernelExports;
  readonly #buffer: ArrayBufferLike;

  constructor(memory: VectorMemory) {
    const { exports } = new wasm.Instance(moduleOf(memory.shared), { env: { memory: memory.memory } });
    this.exports = exports as KernelExports;
    this.#buffer = memory.buffer;
  }

  /** @throws TypeError when the view lies in another memory. */
  addressOf(view: ArrayBufferView): number {
    if (view.buffer !== this.#buffer) throw new TypeError("A vector lies outside of these kernels' memory");
    return view.byteOffset;
  }

  /** Address of a vector of float32. @throws RangeError when it has another length; TypeError when it lies in another memory. */
  vector(values: Float32Array, length: number): number {
    if (values.length !== length) throw new RangeError(`A vector has ${values.length} values instead of ${length}`);
    return this.addressOf(values);
  }

  /** Arguments for an encoded vector of at least `length` values. @throws as `vector` */
  encoded({ encoding, codes, scales }: EncodedVector, length: number): Encoded {
    const { index, bytes } = ENCODINGS[encoding];
    if (codes.byteLength < length * bytes)
      throw new RangeError(`${codes.byteLength} bytes are not ${length} values in ${encoding}`);
    if (encoding !== 'int8') return [index, this.addressOf(codes), 0];
    if (scales === undefined || scales.byteLength < scaleCount(length) * Float32Array.BYTES_PER_ELEMENT)
      throw new RangeError(`${scales?.byteLength ?? 0} bytes are not the scales of ${length} int8 values`);
    return [index, this.addressOf(codes), this.addressOf(scales)];
  }
}
