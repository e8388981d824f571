import type { Binding } from '../tensorflow/binding.ts';
import type { Recording, Source } from './recording.ts';

/** An output that is an input as it came can not be asked for: it is passed through an op. */
export function fetchable(recording: Recording, binding: Binding): Recording {
  const ops = [...recording.ops];
  const outputs = recording.outputs.map((output): Source => {
    if (output.kind !== 'input') return output;
    const { shape, dtype } = recording.inputs.find(({ name }) => name === output.name)!;
    const attributes = [{ name: 'T', type: binding.TF_ATTR_TYPE, value: dtype }];
    const index = ops.push({ name: 'Identity', attributes, inputs: [output], results: [{ shape, dtype }] }) - 1;
    return { kind: 'op', index, output: 0 };
  });
  return { ...recording, ops, outputs };
}
