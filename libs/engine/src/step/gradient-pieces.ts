import type { ParameterLayout } from '@downpour/contracts';
import type { Tensor } from '@tensorflow/tfjs';
import { ALIGNMENT_BYTES, writeInto } from '../tensorflow/in-place.ts';
import type { Binding } from '../tensorflow/binding.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import type { HostTensor } from './step-inputs.ts';

/** A run of the flat gradient, usually one variable. */
export interface GradientPiece {
  offset: number;
  length: number;
  /** Which of the variables are in it, in order: indices into their list. */
  variables: number[];
  /** Whether it starts where TensorFlow writes without a copy: always, where the variables are all of the layout. */
  inPlace: boolean;
}

const ALIGNMENT = ALIGNMENT_BYTES / Float32Array.BYTES_PER_ELEMENT;

/** `places`: of the variables in the layout. @default all of them */
export function piecesOf(
  layout: ParameterLayout,
  places: readonly number[] = layout.variables.map((_, i) => i),
): GradientPiece[] {
  const pieces: GradientPiece[] = [];
  const order = places.map((place, index) => ({ place, index })).sort((a, b) => a.place - b.place);
  for (const { place, index } of order) {
    const { offset, length } = layout.variables[place]!;
    const last = pieces.at(-1);
    const aligned = offset % ALIGNMENT === 0;
    if (last && !aligned && last.offset + last.length === offset) {
      last.length += length;
      last.variables.push(index);
    } else pieces.push({ offset, length, variables: [index], inPlace: aligned });
  }
  return pieces;
}

const nameOf = (piece: number) => `gradient_${piece}`;

/** The gradient's memory as inputs of a graph, which writes into it. */
export function gradientInputs(
  binding: Binding,
  pieces: readonly GradientPiece[],
  gradient: Float32Array,
): Record<string, HostTensor> {
  return Object.fromEntries(
    pieces.flatMap(({ offset, length, inPlace }, i) => {
      const values = gradient.subarray(offset, offset + length);
      return inPlace ? [[nameOf(i), { shape: [1, length], dtype: binding.TF_FLOAT, values }]] : [];
    }),
  );
}

/** float32 [1, length]. `gradients`: of each of the variables. */
export function gradientOf(
  { tf }: TensorFlow,
  { variables, length }: GradientPiece,
  gradients: readonly Tensor[],
): Tensor {
  const parts = variables.map((index) => tf.reshape(gradients[index]!, [1, -1]));
  const whole = parts.length === 1 ? parts[0]! : tf.concat(parts, 1);
  if (whole.size !== length) throw new Error('A gradient has another size than its variable');
  return whole;
}

/**
 * Writes (or adds) each variable's gradient to its place in the flat one, where that can be done in place. Returns the tensors that must be computed for it
 * to happen.
 */
export function writeGradients(
  tensorflow: TensorFlow,
  pieces: readonly GradientPiece[],
  tensors: Record<string, Tensor>,
  gradients: readonly Tensor[],
  write = writeInto,
): Tensor[] {
  return pieces.flatMap((piece, i) =>
    piece.inPlace ? [write(tensorflow.backend, tensors[nameOf(i)]!, gradientOf(tensorflow, piece, gradients))] : [],
  );
}
