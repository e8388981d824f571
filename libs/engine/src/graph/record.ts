import type { Tensor } from '@tensorflow/tfjs';
import type { HostTensor } from '../step/step-inputs.ts';
import type { Backend, Binding, TensorMetadata } from '../tensorflow/binding.ts';
import { NotCompilable, type RecordedOp, type Recording, type Source } from './recording.ts';

/** Puts a recorder between tfjs's kernels and TensorFlow: all kernels of tfjs-node end in the calls it listens to. */
class Recorder {
  readonly binding: Binding;
  readonly constants: Recording['constants'] = [];
  readonly ops: RecordedOp[] = [];
  readonly #real: Binding;
  readonly #sources = new Map<number, Source>();

  constructor(real: Binding) {
    this.#real = real;
    // The addon's own properties are read-only and hidden from Object.assign.
    const descriptors = Object.getOwnPropertyNames(real).map((name) => [name, real[name as keyof Binding]]);
    this.binding = {
      ...(Object.fromEntries(descriptors) as Binding),
      createTensor: (shape, dtype, values) => {
        const id = real.createTensor(shape, dtype, values);
        this.#constant(id, shape, dtype, values);
        return id;
      },
      executeOp: (name, attributes, inputs, outputs) => {
        const sources = inputs.map((id) => this.source(id));
        const results = real.executeOp(name, attributes, inputs, outputs);
        const described = results.map(({ shape, dtype }) => ({ shape, dtype }));
        const index = this.ops.push({ name, attributes, inputs: sources, results: described }) - 1;
        results.forEach(({ id }, output) => this.#sources.set(id, { kind: 'op', index, output }));
        return results;
      },
      tensorDataSync: (id) => {
        if (this.#sources.get(id)?.kind !== 'constant')
          throw new NotCompilable('A layer reads values back to the host while it runs; a graph would freeze them.');
        return real.tensorDataSync(id);
      },
    };
  }

  input(id: number, name: string): void {
    this.#sources.set(id, { kind: 'input', name });
  }

  source(id: number): Source {
    return this.#sources.get(id) ?? this.#older(id);
  }

  /** A tensor from before the recording that is no input: the same in every step, so a constant. */
  #older(id: number): Source {
    const [same] = this.#real.executeOp('Identity', [], [id], 1) as [TensorMetadata];
    this.#constant(id, same.shape, same.dtype, this.#real.tensorDataSync(same.id));
    this.#real.deleteTensor(same.id);
    return this.#sources.get(id)!;
  }

  #constant(id: number, shape: number[], dtype: number, values: unknown): void {
    if (!ArrayBuffer.isView(values))
      throw new NotCompilable('A layer makes tensors of text, which a graph here can not hold.');
    const copy = (values as Float32Array).slice();
    const index = this.constants.push({ shape: [...shape], dtype, values: copy }) - 1;
    this.#sources.set(id, { kind: 'constant', index });
  }
}

export interface Recorded {
  outputs: Tensor[];
  effects?: Tensor[];
}

/**
 * Runs `body` once on real inputs, recording every op. The inputs' values are not part of the recording. Call inside `tf.tidy`.
 * @throws NotCompilable
 */
export function record(
  backend: Backend,
  inputs: Record<string, HostTensor>,
  body: (inputs: Record<string, Tensor>) => Recorded,
): Recording {
  const real = backend.binding;
  const recorder = new Recorder(real);
  const tensors: Record<string, Tensor> = {};
  for (const [name, { shape, dtype, values }] of Object.entries(inputs)) {
    const id = real.createTensor(shape, dtype, values);
    recorder.input(id, name);
    tensors[name] = backend.createOutputTensor({ id, shape, dtype });
  }
  backend.binding = recorder.binding;
  try {
    const sources = (list: Tensor[]) => backend.getInputTensorIds(list).map((id) => recorder.source(id));
    const { outputs, effects = [] } = body(tensors);
    const described = Object.entries(inputs).map(([name, { shape, dtype }]) => ({ name, shape, dtype }));
    const made = { outputs: sources(outputs), effects: sources(effects) };
    return { inputs: described, constants: recorder.constants, ops: recorder.ops, ...made };
  } finally {
    backend.binding = real;
  }
}
