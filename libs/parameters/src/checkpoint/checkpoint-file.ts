import type { ParameterLayout } from '@downpour/contracts';
import { encodeSafetensorsHeader } from '@downpour/tensor';
import type { SafetensorsEntry, SafetensorsHeader } from '@downpour/tensor';

/*
 * model.safetensors of a checkpoint: every variable under its name, in the order of the parameter vector, then for each slot of the update rule
 * every trainable variable under `update-rule/<slot>/<variable>`. So its data are the parameter vector and then each slot's vector, as they are.
 */
export const SLOT_PREFIX = 'update-rule/';

const variablesOf = ({ variables }: ParameterLayout) => [...variables].sort((a, b) => a.offset - b.offset);

/** @throws DownpourError invalid-request when variables have names that cannot stand beside each other. */
export const checkpointHeader = (
  layout: ParameterLayout,
  slots: readonly string[],
  metadata: Record<string, string>,
): { bytes: Uint8Array; header: SafetensorsHeader } => {
  const entry = (name: string, shape: readonly number[]): SafetensorsEntry => ({ name, dtype: 'float32', shape });
  const variables = variablesOf(layout);
  const trainable = variables.filter((variable) => variable.trainable);
  return encodeSafetensorsHeader(
    [
      ...variables.map(({ name, shape }) => entry(name, shape)),
      ...slots.flatMap((slot) => trainable.map(({ name, shape }) => entry(`${SLOT_PREFIX}${slot}/${name}`, shape))),
    ],
    metadata,
  );
};

/** Vectors of a file: 0 is the parameters, n the n-th slot. */
export const vectorLength = (layout: ParameterLayout, vector: number): number =>
  vector === 0 ? layout.length : layout.trainableLength;

/** Where value `offset` of a vector stands in the file, in bytes. */
export const filePosition = (dataBegin: number, layout: ParameterLayout, vector: number, offset: number): number => {
  const before = vector === 0 ? 0 : layout.length + (vector - 1) * layout.trainableLength;
  return dataBegin + (before + offset) * Float32Array.BYTES_PER_ELEMENT;
};
