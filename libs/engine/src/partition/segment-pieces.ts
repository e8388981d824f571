import type { ParameterLayout } from '@downpour/contracts';
import { ALIGNMENT_BYTES } from '../tensorflow/in-place.ts';

/** A run of a partition's flat gradient that belongs to one segment. */
export interface SegmentPiece {
  offset: number;
  length: number;
  /** Which of the segment's variables are in it, in order: indices into its list. */
  variables: number[];
  /** Whether it starts where TensorFlow can add to it in place; others are added on the host. */
  inPlace: boolean;
}

const ALIGNMENT = ALIGNMENT_BYTES / Float32Array.BYTES_PER_ELEMENT;

/** `variables`: places in the layout of the segment's variables. */
export function segmentPieces(layout: ParameterLayout, variables: readonly number[]): SegmentPiece[] {
  const pieces: SegmentPiece[] = [];
  const order = variables.map((place, index) => ({ place, index })).sort((a, b) => a.place - b.place);
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
