import type { Tensor } from '@tensorflow/tfjs';

/** A TensorFlow tensor in the addon's hands. */
export interface TensorMetadata {
  id: number;
  shape: number[];
  /** TensorFlow's number of the type. */
  dtype: number;
}

export interface OpAttribute {
  name: string;
  /** One of the binding's TF_ATTR_ numbers. */
  type: number;
  value: unknown;
}

export type HostValues = Float32Array | Int32Array | Uint8Array;

/** The addon of tfjs-node: every kernel ends in one of these calls. */
export interface Binding {
  createTensor(shape: number[], dtype: number, values: HostValues): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): HostValues;
  executeOp(name: string, attributes: OpAttribute[], inputs: number[], outputs: number): TensorMetadata[];
  loadSavedModel(directory: string, tags: string): number;
  deleteSavedModel(session: number): void;
  runSavedModel(session: number, inputs: number[], inputNames: string, outputNames: string): TensorMetadata[];
  getNumOfTensors(): number;
  getNumOfSavedModels(): number;
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  readonly TF_BOOL: number;
  readonly TF_UINT8: number;
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_SHAPE: number;
  readonly TF_Version: string;
}

/** What the engine uses of tfjs-node's backend (nodejs_kernel_backend.js). `binding` is an ordinary field: it can be interposed on. */
export interface Backend {
  binding: Binding;
  getInputTensorIds(tensors: Tensor[]): number[];
  /** Takes the tensor over: it lives as long as the tfjs tensor does. */
  createOutputTensor(metadata: TensorMetadata): Tensor;
}
