/*
 * Of TensorFlow.js, what the client uses, as structural types: the user's own `@tensorflow/tfjs` or `@tensorflow/tfjs-node`, whichever version it is,
 * fits them. The client never loads one itself.
 */

export type NumericArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

export interface TensorLike {
  readonly shape: readonly number[];
  readonly dtype: string;
  data(): Promise<ArrayLike<number> | ArrayLike<string>>;
  dispose(): void;
}

/** A weight of a layer. `originalName` is the name under which tfjs saves it. */
export interface VariableLike {
  readonly originalName: string;
  readonly shape: readonly (number | null)[];
  read(): TensorLike;
  write(value: never): unknown;
}

export interface OptimizerLike {
  getClassName(): string;
  getConfig(): object;
}

/** A `tf.LayersModel` or `tf.Sequential`. */
export interface LayersModelLike {
  readonly inputs: readonly { readonly shape: readonly (number | null)[] }[];
  readonly outputs: readonly { readonly shape: readonly (number | null)[] }[];
  readonly weights: readonly VariableLike[];
  /** What `compile()` was given; absent before it. */
  readonly optimizer?: OptimizerLike | undefined;
  readonly loss?: unknown;
  readonly metrics?: unknown;
  toJSON(unused?: null, returnString?: boolean): unknown;
  compile(args: never): void;
}

/** The module itself: `import * as tf from '@tensorflow/tfjs'`. */
export interface TensorFlow {
  tensor(values: Float32Array, shape: number[]): TensorLike;
  readonly models: { modelFromJSON(json: never): Promise<LayersModelLike> };
  readonly losses?: Readonly<Record<string, unknown>>;
}
