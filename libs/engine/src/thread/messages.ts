import type { DatasetSummary, ErrorCode, ParameterLayout } from '@downpour/contracts';
import type { LossKind, MetricsSpec, ObjectiveSpec, PreparationSpec, DescribedModel, Topology } from '@downpour/models';
import type { Assignment } from '@downpour/models/topology';
import type { GraphSource } from '../graph/loaded-graph.ts';
import type { HostForward } from '../partition/segment-inputs.ts';
import type { HostEvaluation } from '../step/batch.ts';
import type { TensorFlowOptions } from '../tensorflow/load.ts';
import type { SharedView } from './shared-views.ts';

/** What the thread is started with. */
export interface ThreadData {
  /** Rung after each message to the thread. */
  bell: SharedArrayBuffer;
  tensorflow: TensorFlowOptions;
}

/** What a thread needs to run the steps of a job's model. */
export interface ReplicaPlan {
  topology: Record<string, unknown>;
  layout: ParameterLayout;
  dataset: DatasetSummary;
  loss: LossKind;
  metrics: MetricsSpec;
  objective: ObjectiveSpec;
  /** false: op by op, for comparison. */
  compile: boolean;
}

/** Rows [begin, end) of examples. */
export interface Rows {
  count: number;
  features: SharedView;
  labels: SharedView;
  begin: number;
  end: number;
}

export interface EngineInfo {
  tensorflow: string;
  intraOpThreads: number;
}

/** Questions to the thread that runs TensorFlow, each with what it answers. */
export interface ThreadCalls {
  info: { ask: Record<string, never>; answer: EngineInfo };
  prepare: { ask: { spec: PreparationSpec; dataset: DatasetSummary }; answer: DescribedModel };
  /** Of variables from `begin` on, `least` values or more. */
  draw: { ask: { topology: Topology; seed: number; begin: number; least: number }; answer: Float32Array[] };
  open: { ask: { replica: number; plan: ReplicaPlan }; answer: null };
  step: {
    /** `gradient` is filled. */
    ask: { replica: number; parameters: SharedView; rows: Rows; seed: number; gradient: SharedView };
    answer: ThreadStep;
  };
  /** Of a step that was run on such rows: null where it was not compiled. */
  stepGraph: { ask: { replica: number; rows: Rows }; answer: ThreadStepGraph | null };
  evaluate: { ask: { replica: number; parameters: SharedView; rows: Rows }; answer: HostEvaluation };
  predict: { ask: { replica: number; parameters: SharedView; rows: Rows }; answer: Float32Array };
  close: { ask: { replica: number }; answer: null };
  openPartition: { ask: { replica: number; plan: ReplicaPlan; cut: ThreadCut }; answer: null };
  forward: { ask: ThreadForwardAsk; answer: ThreadForward };
  backward: { ask: ThreadBackwardAsk; answer: ThreadBackward };
  forget: { ask: { replica: number }; answer: null };
}
/** Of a model's cut, what a thread needs to run one partition; its plan's layout is the partition's own. */
export interface ThreadCut {
  partition: number;
  assignment: Assignment;
}

export interface ThreadForwardAsk {
  replica: number;
  segment: number;
  microBatch: number;
  parameters: SharedView;
  rows: Rows;
  weight: number;
  seed: number;
  /** false: an evaluation, of which nothing is kept. */
  training: boolean;
  inputs: Float32Array[];
}

export interface ThreadForward extends HostForward {
  computeMs: number;
  fellBack: string | null;
}

export interface ThreadBackwardAsk {
  replica: number;
  segment: number;
  microBatch: number;
  parameters: SharedView;
  outputGradients: Float32Array[];
  /** Added to. */
  gradient: SharedView;
}

export interface ThreadBackward {
  inputGradients: Float32Array[];
  computeMs: number;
}

export type CallName = keyof ThreadCalls;

export interface ThreadStep {
  loss: number;
  correct: number;
  /** Time in TensorFlow. */
  computeMs: number;
  /** Why the model runs op by op although it was to be compiled; null otherwise. */
  fellBack: string | null;
}

/** What another thread needs to run the same step. */
export interface ThreadStepGraph {
  /** The file of tfjs-node's addon. */
  addon: string;
  inputShape: readonly number[];
  graph: GraphSource;
}

export type CallMessage = { [Name in CallName]: { id: number; name: Name; ask: ThreadCalls[Name]['ask'] } }[CallName];

export interface ThreadError {
  code: ErrorCode;
  message: string;
  field: string | undefined;
}

export type ReplyMessage = { id: number; answer: unknown } | { id: number; error: ThreadError };
