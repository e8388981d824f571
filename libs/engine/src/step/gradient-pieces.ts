import type { ParameterLayout } from '@downpour/contracts';
import type { Tensor } from '@tensorflow/tfjs';
import { ALIGNMENT_BYTES, writeInto } from '../tensorflow/in-place.ts';
import type { Binding } from '../tensorflow/binding.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import type { HostTensor } from './step-inputs.ts';

/** A part of the flat gradient that starts where TensorFlow writes without a copy: usually one variable. */
interface Piece {
  offset: number;
  length: number;
  /** Indices of the variables in it, in order. */
  variables: number[];
}

const ALIGNMENT = ALIGNMENT_BYTES / Float32Array.BYTES_PER_ELEMENT;

export function piecesOf(layout: ParameterLayout): Piece[] {
  const pieces: Piece[] = [];
  layout.variables.forEach(({ offset, length }, index) => {
    const last = pieces.at(-1);
    if (last && offset % ALIGNMENT !== 0) {
      last.length += length;
      last.variables.push(index);
    } else pieces.push({ offset, length, variables: [index] });
  });
  return pieces;
}

const nameOf = (piece: number) => `gradient_${piece}`;

/** The gradient's memory as inputs of a graph, which writes into it. */
export function gradientInputs(
  binding: Binding,
  pieces: readonly Piece[],
  gradient: Float32Array,
): Record<string, HostTensor> {
  return Object.fromEntries(
    pieces.map(({ offset, length }, i) => [
      nameOf(i),
      { shape: [1, length], dtype: binding.TF_FLOAT, values: gradient.subarray(offset, offset + length) },
    ]),
  );
}

/** Writes each variable's gradient to its place in the flat one. Returns the tensors that must be computed for it to happen. */
export function writeGradients(
  { tf, backend }: TensorFlow,
  pieces: readonly Piece[],
  tensors: Record<string, Tensor>,
  gradients: readonly Tensor[],
): Tensor[] {
  return pieces.map(({ variables, length }, i) => {
    const parts = variables.map((index) => tf.reshape(gradients[index]!, [1, -1]));
    const whole = parts.length === 1 ? parts[0]! : tf.concat(parts, 1);
    if (whole.size !== length) throw new Error('A gradient has another size than its variable');
    return writeInto(backend, tensors[nameOf(i)]!, whole);
  });
}
