import type { ParameterLayout } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { decodeSafetensorsHeader } from '@downpour/tensor';

/**
 * Uploaded weights in the order of the parameter vector: each variable by its name.
 * @param file a safetensors file of float32
 * @throws DownpourError invalid-request (field `initialWeights`) naming the first variable that is missing, surplus or of another shape
 */
export function vectorOfWeights(file: Uint8Array, layout: ParameterLayout): Float32Array {
  const stored = new Map(decodeSafetensorsHeader(file).tensors.map((tensor) => [tensor.name, tensor]));
  const vector = new Float32Array(layout.length);
  const bytes = new Uint8Array(vector.buffer);
  for (const { name, shape, offset } of layout.variables) {
    const tensor = stored.get(name);
    const wanted = `variable ${name} [${shape.join(', ')}]`;
    if (tensor === undefined) throw refusal(`The model has ${wanted}, the weights have only ${list(stored.keys())}`);
    if (tensor.shape.join() !== shape.join())
      throw refusal(`The model has ${wanted}, in the weights it has shape [${tensor.shape.join(', ')}]`);
    bytes.set(file.subarray(tensor.begin, tensor.end), offset * Float32Array.BYTES_PER_ELEMENT);
    stored.delete(name);
  }
  if (stored.size > 0) throw refusal(`The weights have ${list(stored.keys())}, the model has not`);
  const bad = vector.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return vector;
  const { name } = layout.variables.find(({ offset, length }) => bad >= offset && bad < offset + length)!;
  throw refusal(`In the weights, variable ${name} has the value ${vector[bad]}: training cannot begin there`);
}

const MOST_NAMED = 8;

function list(names: Iterable<string>): string {
  const all = [...names];
  const more = all.length > MOST_NAMED ? ` and ${all.length - MOST_NAMED} more` : '';
  return all.slice(0, MOST_NAMED).join(', ') + more || 'none that is left';
}

function refusal(message: string): DownpourError {
  return new DownpourError('invalid-request', message, { field: 'initialWeights' });
}
