export { connect, Downpour } from './downpour.ts';
export { GatewayClient } from './gateway-client.ts';
export { GatewayError } from './gateway-error.ts';
export { Job } from './job.ts';
export { JobError } from './job-error.ts';
export type { ConnectOptions } from './downpour.ts';
export type { FitOptions } from './fit.ts';
export type { WaitOptions } from './gateway-client.ts';
export type { ModelFiles } from './model-files.ts';
export type {
  LayersModelLike,
  NumericArray,
  OptimizerLike,
  TensorFlow,
  TensorLike,
  VariableLike,
} from './tensorflow.ts';
export type { Examples } from './training-data.ts';
export type { WatchOptions } from './watch-events.ts';
