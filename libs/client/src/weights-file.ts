import { encodeSafetensorsHeader } from '@downpour/tensor';
import type { LayersModelLike } from './tensorflow.ts';

/** All weights of a model, trained or not, as a safetensors file of float32, each under the name that tfjs saves it by. */
export async function weightsFile({ weights }: LayersModelLike): Promise<Blob> {
  const { bytes } = encodeSafetensorsHeader(
    weights.map(({ originalName: name, shape }) => ({ name, dtype: 'float32', shape: shape.map((size) => size ?? 1) })),
  );
  const parts: Uint8Array<ArrayBuffer>[] = [new Uint8Array(bytes)];
  for (const weight of weights) {
    const values = Float32Array.from((await weight.read().data()) as ArrayLike<number>);
    parts.push(new Uint8Array(values.buffer));
  }
  return new Blob(parts);
}
