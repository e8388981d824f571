import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostTensor } from '../step/step-inputs.ts';
import type { Binding, HostValues } from '../tensorflow/binding.ts';
import { prune } from './prune.ts';
import { NotCompilable, type Recording } from './recording.ts';
import { savedModelOf, TAG, tensorName } from './saved-model.ts';

/** A recording loaded into a TensorFlow session: host tensors in, host tensors out, one call for each run. */
export class CompiledGraph {
  readonly #binding: Binding;
  readonly #session: number;
  readonly #inputs: string[];
  readonly #inputNames: string;
  readonly #outputNames: string;

  /** @throws NotCompilable when TensorFlow does not take the graph */
  constructor(binding: Binding, recording: Recording) {
    const pruned = prune(recording);
    this.#binding = binding;
    this.#inputs = pruned.inputs.map(({ name }) => name);
    this.#inputNames = this.#inputs.map((name) => `${name}:0`).join(',');
    this.#outputNames = pruned.outputs.map(tensorName).join(',');
    this.#session = load(binding, savedModelOf(pruned, binding));
  }

  /** Inputs by name; those that the graph does not use are left alone. */
  run(inputs: Record<string, HostTensor>): HostValues[] {
    const binding = this.#binding;
    const ids = this.#inputs.map((name) => {
      const { shape, dtype, values } = inputs[name]!;
      return binding.createTensor(shape, dtype, values);
    });
    try {
      const outputs = binding.runSavedModel(this.#session, ids, this.#inputNames, this.#outputNames);
      return outputs.map(({ id }) => {
        const values = binding.tensorDataSync(id);
        binding.deleteTensor(id);
        return values;
      });
    } finally {
      for (const id of ids) binding.deleteTensor(id);
    }
  }

  dispose(): void {
    this.#binding.deleteSavedModel(this.#session);
  }
}

/** TensorFlow reads a graph from a directory only; it is needed until the session is made. */
function load(binding: Binding, savedModel: Uint8Array): number {
  const directory = mkdtempSync(join(tmpdir(), 'downpour-graph-'));
  try {
    writeFileSync(join(directory, 'saved_model.pb'), savedModel);
    return binding.loadSavedModel(directory, TAG);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new NotCompilable(`TensorFlow did not take the graph: ${reason}`, { cause: error });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
