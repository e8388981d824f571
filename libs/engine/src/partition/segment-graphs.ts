import { CompiledGraph } from '../graph/compiled-graph.ts';
import type { Recording } from '../graph/recording.ts';
import { rewrite } from '../graph/rewrites/rewrite.ts';
import { REWRITES } from '../graph/rewrites/rewrites.ts';
import { splitRecording } from '../graph/split-recording.ts';
import type { HostTensor } from '../step/step-inputs.ts';
import type { Binding, HostValues } from '../tensorflow/binding.ts';

/** Tensors between a forward and its backward, by the name under which the latter reads them. */
export type KeptTensors = Record<string, number>;

/** Forward and backward of a segment as two graphs; what the second needs of the first never leaves TensorFlow. */
export class SegmentGraphs {
  readonly #binding: Binding;
  readonly #outputs: number;
  readonly #kept: number;
  readonly #forward: CompiledGraph;
  readonly #backward: CompiledGraph | null;
  /** Inputs that are given to forward and read by backward as well. */
  readonly #keptInputs: ReadonlySet<string>;

  /**
   * `outputs`: so many outputs of the recording are forward's. `givenAgain`: inputs that backward is given by its caller.
   * @throws NotCompilable
   */
  constructor(binding: Binding, recording: Recording, outputs: number, givenAgain: (input: string) => boolean) {
    // First: rules see patterns that reach over both halves.
    const { first, second, kept } = splitRecording(rewrite(recording, REWRITES, binding), outputs);
    this.#binding = binding;
    this.#outputs = outputs;
    this.#kept = kept;
    this.#forward = new CompiledGraph(binding, first);
    this.#backward = second && new CompiledGraph(binding, second);
    const read = this.#backward?.inputs ?? [];
    this.#keptInputs = new Set(read.filter((name) => !name.startsWith('kept_') && !givenAgain(name)));
  }

  forward(inputs: Record<string, HostTensor>): { values: HostValues[]; kept: KeptTensors } {
    const binding = this.#binding;
    const ids = this.#create(inputs, new Set([...this.#forward.inputs, ...this.#keptInputs]));
    try {
      const results = this.#forward.execute(ids).map(({ id }) => id);
      const values = results.slice(0, this.#outputs).map((id) => binding.tensorDataSync(id));
      for (const id of results.slice(0, this.#outputs)) binding.deleteTensor(id);
      const kept: KeptTensors = {};
      for (let i = 0; i < this.#kept; i++) kept[`kept_${i}`] = results[this.#outputs + i]!;
      for (const name of this.#keptInputs) {
        kept[name] = ids[name]!;
        delete ids[name];
      }
      return { values, kept };
    } finally {
      for (const id of Object.values(ids)) binding.deleteTensor(id);
    }
  }

  /** Forward's other outputs. Whether it succeeds or not, `kept` is gone afterwards. */
  backward(kept: KeptTensors, inputs: Record<string, HostTensor>): HostValues[] {
    const binding = this.#binding;
    const graph = this.#backward;
    if (!graph) return [];
    const ids = this.#create(inputs, new Set(graph.inputs.filter((name) => !(name in kept))));
    try {
      const results = graph.execute({ ...ids, ...kept }).map(({ id }) => id);
      const values = results.map((id) => binding.tensorDataSync(id));
      for (const id of results) binding.deleteTensor(id);
      return values;
    } finally {
      for (const id of Object.values(ids)) binding.deleteTensor(id);
      dropKept(binding, kept);
    }
  }

  dispose(): void {
    this.#forward.dispose();
    this.#backward?.dispose();
  }

  #create(inputs: Record<string, HostTensor>, names: ReadonlySet<string>): Record<string, number> {
    const ids: Record<string, number> = {};
    for (const name of names) {
      const { shape, dtype, values } = inputs[name]!;
      ids[name] = this.#binding.createTensor(shape, dtype, values);
    }
    return ids;
  }
}

export function dropKept(binding: Binding, kept: KeptTensors): void {
  for (const [name, id] of Object.entries(kept)) {
    binding.deleteTensor(id);
    delete kept[name];
  }
}
