import type { ParameterClient } from './ports.ts';

/** Whether no value is NaN or infinite, by the client's own means where it has some. */
export function allFinite(client: ParameterClient, vector: Float32Array): boolean {
  return client.finite?.(vector) ?? loop(vector);
}

/** Only of such values is the difference from itself not zero. */
function loop(vector: Float32Array): boolean {
  for (let i = 0; i < vector.length; i++) if (vector[i]! - vector[i]! !== 0) return false;
  return true;
}
