import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostTensor } from '../step/step-inputs.ts';
import type { Binding, HostValues, TensorMetadata } from '../tensorflow/binding.ts';
import { NotCompilable } from './recording.ts';

export const TAG = 'serve';

/** All that a session is made of: plain data, so that another thread can make one of its own. */
export interface GraphSource {
  /** Bytes of a `saved_model.pb`. */
  savedModel: Uint8Array;
  /** Names of the inputs that the graph uses. */
  inputs: string[];
  /** What the session is asked for, by output. */
  fetches: string[];
}

/** A graph in a TensorFlow session: host tensors in, host tensors out, one call for each run. */
export class LoadedGraph {
  readonly #binding: Binding;
  readonly #session: number;
  readonly #inputs: string[];
  readonly #inputNames: string;
  readonly #outputNames: string;

  /** @throws NotCompilable when TensorFlow does not take the graph */
  constructor(binding: Binding, { savedModel, inputs, fetches }: GraphSource) {
    this.#binding = binding;
    this.#inputs = inputs;
    this.#inputNames = inputs.map((name) => `${name}:0`).join(',');
    this.#outputNames = fetches.join(',');
    this.#session = load(binding, savedModel);
  }

  /** Names of the inputs that the graph uses. */
  get inputs(): readonly string[] {
    return this.#inputs;
  }

  /** Inputs by name; those that the graph does not use are left alone. */
  run(inputs: Record<string, HostTensor>): HostValues[] {
    const binding = this.#binding;
    const ids: Record<string, number> = {};
    try {
      for (const name of this.#inputs) {
        const { shape, dtype, values } = inputs[name]!;
        ids[name] = binding.createTensor(shape, dtype, values);
      }
      return this.execute(ids).map(({ id }) => {
        const values = binding.tensorDataSync(id);
        binding.deleteTensor(id);
        return values;
      });
    } finally {
      for (const id of Object.values(ids)) binding.deleteTensor(id);
    }
  }

  /** From tensors that TensorFlow holds, by name, to others, which are the caller's to delete. */
  execute(ids: Readonly<Record<string, number>>): TensorMetadata[] {
    return this.#binding.runSavedModel(
      this.#session,
      this.#inputs.map((name) => ids[name]!),
      this.#inputNames,
      this.#outputNames,
    );
  }

  dispose(): void {
    this.#binding.deleteSavedModel(this.#session);
  }
}

/** TensorFlow reads a graph from a directory only; it is needed until the session is made. */
function load(binding: Binding, savedModel: Uint8Array): number {
  let directory: string | null = null;
  try {
    directory = mkdtempSync(join(tmpdir(), 'downpour-graph-'));
    writeFileSync(join(directory, 'saved_model.pb'), savedModel);
    return binding.loadSavedModel(directory, TAG);
  } catch (error) {
    throw new NotCompilable(`TensorFlow did not take the graph: ${reasonOf(error)}`, { cause: error });
  } finally {
    if (directory) rmSync(directory, { recursive: true, force: true });
  }
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
