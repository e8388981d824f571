import type { HostTensor } from '../step/step-inputs.ts';
import type { Binding } from '../tensorflow/binding.ts';
import { fetchable } from './fetchable.ts';
import { LoadedGraph, reasonOf, type GraphSource } from './loaded-graph.ts';
import { prune } from './prune.ts';
import { NotCompilable, type Recording } from './recording.ts';
import { rewrite } from './rewrites/rewrite.ts';
import { REWRITES } from './rewrites/rewrites.ts';
import { fetchesOf, savedModelOf } from './saved-model.ts';

/** A recording, rewritten and loaded. */
export class CompiledGraph extends LoadedGraph {
  readonly source: GraphSource;

  /** @throws NotCompilable when TensorFlow does not take the graph */
  constructor(binding: Binding, recording: Recording) {
    const pruned = prune(fetchable(rewrite(recording, REWRITES, binding), binding));
    const source = {
      savedModel: savedModelOf(pruned, binding),
      inputs: pruned.inputs.map(({ name }) => name),
      fetches: fetchesOf(pruned),
    };
    super(binding, source);
    this.source = source;
  }

  /**
   * The first run, in which TensorFlow optimizes the graph and looks for kernels. These inputs have just been run op by op, so if
   * it fails, it is for being a graph.
   * @throws NotCompilable
   */
  tryOut(inputs: Record<string, HostTensor>): void {
    try {
      this.run(inputs);
    } catch (error) {
      this.dispose();
      throw new NotCompilable(`TensorFlow could not run the graph: ${reasonOf(error)}`, { cause: error });
    }
  }
}
