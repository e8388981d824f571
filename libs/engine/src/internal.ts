/** `@downpour/engine/internal`: TensorFlow in the calling thread. For benchmarks and tests; services use `Engine`. */
export { CompiledRunner } from './step/compiled-runner.ts';
export { EagerRunner } from './step/eager-runner.ts';
export { loadTensorFlow } from './tensorflow/load.ts';
