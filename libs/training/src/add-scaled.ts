import type { ParameterClient } from './ports.ts';

/** y += factor * x, by the client's own means where it has some. Vectors of one length. */
export function addScaled(client: ParameterClient, factor: number, x: Float32Array, y: Float32Array): void {
  if (client.addScaled?.(factor, x, y)) return;
  for (let i = 0; i < y.length; i++) y[i]! += factor * x[i]!;
}
