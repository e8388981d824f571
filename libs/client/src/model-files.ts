import { unzipSync } from 'fflate';

/** A trained model as tfjs reads it: `tf.loadLayersModel` of the two files. */
export interface ModelFiles {
  /** Content of model.json. */
  modelJson: string;
  /** Content of weights.bin. */
  weights: Uint8Array<ArrayBuffer>;
}

export function modelFiles(archive: Uint8Array): ModelFiles {
  const { 'model.json': json, 'weights.bin': weights } = unzipSync(archive);
  if (json === undefined || weights === undefined)
    throw new Error('The archive of the model lacks model.json or weights.bin');
  return { modelJson: new TextDecoder().decode(json), weights: new Uint8Array(weights) };
}

interface Manifest {
  weightsManifest: { weights: { name: string; shape: number[] }[] }[];
}

/** Each variable's values by its name. */
export function variablesOf({
  modelJson,
  weights,
}: ModelFiles): Map<string, { shape: number[]; values: Float32Array }> {
  const { weightsManifest } = JSON.parse(modelJson) as Manifest;
  const values = new Float32Array(
    weights.buffer,
    weights.byteOffset,
    weights.byteLength / Float32Array.BYTES_PER_ELEMENT,
  );
  let at = 0;
  return new Map(
    weightsManifest
      .flatMap((group) => group.weights)
      .map(({ name, shape }) => {
        const length = shape.reduce((size, n) => size * n, 1);
        at += length;
        return [name, { shape, values: values.slice(at - length, at) }];
      }),
  );
}
