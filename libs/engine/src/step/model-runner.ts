import type { TrainingModel } from '@downpour/models';
import type { GraphSource } from '../graph/loaded-graph.ts';
import { NotCompilable } from '../graph/recording.ts';
import type { TensorFlow } from '../tensorflow/load.ts';
import type { Batch, HostEvaluation, HostStep, StepRunner } from './batch.ts';
import { CompiledRunner } from './compiled-runner.ts';
import { EagerRunner } from './eager-runner.ts';

/** Compiled where the model can be compiled, op by op where not. Knows why not. */
export class ModelRunner implements StepRunner {
  readonly #model: TrainingModel;
  readonly #eager: EagerRunner;
  #compiled: CompiledRunner | null;
  #fellBack: string | null = null;

  constructor(tensorflow: TensorFlow, model: TrainingModel, compile: boolean) {
    this.#model = model;
    this.#eager = new EagerRunner(tensorflow, model);
    this.#compiled = compile ? new CompiledRunner(tensorflow, model) : null;
  }

  /** Why this model runs op by op although it was to be compiled; null otherwise. */
  get fellBack(): string | null {
    return this.#fellBack;
  }

  step(parameters: Float32Array, batch: Batch, seed: number, gradient?: Float32Array): HostStep {
    return this.#run((runner) => runner.step(parameters, batch, seed, gradient));
  }

  evaluate(parameters: Float32Array, batch: Batch): HostEvaluation {
    return this.#run((runner) => runner.evaluate(parameters, batch));
  }

  predict(parameters: Float32Array, batch: Batch): Float32Array {
    return this.#run((runner) => runner.predict(parameters, batch));
  }

  /** What a step on such a batch runs, and what it reads: null where it is not compiled. */
  stepGraph(batch: Pick<Batch, 'count' | 'features'>): { inputShape: readonly number[]; graph: GraphSource } | null {
    const graph = this.#compiled?.stepGraph(batch);
    return graph ? { inputShape: this.#model.inputShape, graph } : null;
  }

  dispose(): void {
    this.#compiled?.dispose();
    this.#model.dispose();
  }

  #run<Result>(body: (runner: StepRunner) => Result): Result {
    if (!this.#compiled) return body(this.#eager);
    try {
      return body(this.#compiled);
    } catch (error) {
      if (!(error instanceof NotCompilable)) throw error;
      this.#fellBack = error.message;
      this.#compiled.dispose();
      this.#compiled = null;
      return body(this.#eager);
    }
  }
}
