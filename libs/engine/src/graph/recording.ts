import type { HostValues, OpAttribute } from '../tensorflow/binding.ts';

/** Where an op's input comes from. */
export type Source =
  { kind: 'input'; name: string } | { kind: 'constant'; index: number } | { kind: 'op'; index: number; output: number };

export interface RecordedTensor {
  shape: number[];
  /** TensorFlow's number of the type. */
  dtype: number;
}

export interface RecordedOp {
  name: string;
  attributes: OpAttribute[];
  inputs: Source[];
  results: RecordedTensor[];
}

/** What ran between host and results, as data: enough to run it again as a graph. */
export interface Recording {
  inputs: (RecordedTensor & { name: string })[];
  constants: (RecordedTensor & { values: HostValues })[];
  ops: RecordedOp[];
  outputs: Source[];
  /** What must run although no output depends on it: ops that write into an input's memory. */
  effects: Source[];
}

/** This model's step can't be a graph; the message says why. Its steps run op by op. */
export class NotCompilable extends Error {
  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(reason, options);
    this.name = 'NotCompilable';
  }
}
