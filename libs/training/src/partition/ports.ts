import type { Segment } from '@downpour/contracts';
import type { EvaluationSums, Examples } from '../ports.ts';

/** Rows [begin, end) of examples, through one segment. */
export interface SegmentCall {
  segment: number;
  microBatch: number;
  /** float32 [the partition's length]. */
  parameters: Float32Array;
  examples: Examples;
  begin: number;
  end: number;
  /** Share of these rows in the batch, 0 to 1. */
  weight: number;
  seed: number;
  /** false: dropout off, batch normalisation by its averages, nothing is kept. */
  training: boolean;
  /** In the order of the segment's `inputs`: float32 [end - begin, ...], flat. */
  inputs: readonly Float32Array[];
}

export interface SegmentOutput {
  /** In the order of the segment's `outputs`. */
  outputs: Float32Array[];
  /** Times `weight`, regularisers of the segment's layers included: adds up to the mean of the batch's loss. */
  loss: number;
  /** Right answers; 0 where it holds no loss. */
  correct: number;
  /** Of an evaluation by the segment that holds the loss. */
  sums?: EvaluationSums;
}

export interface BackwardCall {
  segment: number;
  microBatch: number;
  parameters: Float32Array;
  /** In the order of the segment's `outputs`. Their memory is given away with them. */
  outputGradients: readonly Float32Array[];
  /** float32 [the partition's length]: what the segment's own parameters are to be changed by is added, `weight` in it. */
  gradient: Float32Array;
}

/** One partition of a model in TensorFlow's thread (libs/engine). */
export interface PartitionCompute {
  /** Of the whole model. */
  readonly segments: readonly Segment[];
  /** In training, what `backward` needs of it is kept by segment and micro-batch, in TensorFlow's memory. */
  forward(call: SegmentCall): Promise<SegmentOutput>;
  /** Gradients of the segment's inputs, in their order. What was kept is dropped. */
  backward(call: BackwardCall): Promise<Float32Array[]>;
  /** Drops all that is kept: a step was given up. */
  forget(): Promise<void>;
  allocate(length: number): Float32Array;
  dispose(): Promise<void>;
}

/** A tensor on its way between two members of a group. */
export interface Crossing {
  step: number;
  microBatch: number;
  /** The layer that makes it. */
  tensor: string;
  /** forward: its values, to those who read it. backward: its gradient, to who made it. */
  direction: 'forward' | 'backward';
}

/** Between the members of a group while they train one chunk. Each message comes once, in any order. */
export interface Exchange {
  /** Resolves once the peer has it; rejects when the chunk is given up. `values` may be used again then. */
  send(to: number, crossing: Crossing, values: Float32Array): Promise<void>;
  /** Resolves when it has come; rejects when the chunk is given up. */
  receive(from: number, crossing: Crossing): Promise<Float32Array>;
}

/** When a partition computed what. Between two of them it waits. */
export interface SegmentTime {
  /** Number of the step in its chunk. */
  step: number;
  segment: number;
  microBatch: number;
  direction: 'forward' | 'backward';
  /** As `performance.now()`. */
  beganMs: number;
  ms: number;
}
