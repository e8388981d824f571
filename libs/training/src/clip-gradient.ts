import type { GradientClip } from '@downpour/contracts';
import type { ParameterClient } from './ports.ts';

/**
 * Clips a gradient in place: by value first, then by norm. The norm is that of all trainable values of the model, which a worker has and a shard has not: so
 * all shards get parts of one vector, scaled alike, and how a model is cut into shards changes nothing. `trainable` is all that is given: deltas of state are no gradients.
 * @returns false when a value is NaN or infinite: then nothing is changed, for clipping would make a good-looking gradient of a bad one.
 */
export function clipGradient(client: ParameterClient, { value, norm }: GradientClip, trainable: Float32Array): boolean {
  // Squares of float32 cannot overflow a sum in float64: it is finite if they all are.
  let squares = sumOfSquares(client, trainable);
  if (!Number.isFinite(squares)) return false;
  if (value !== undefined && squares > value * value) {
    if (!client.clamp?.(value, trainable)) clamp(value, trainable);
    if (norm !== undefined) squares = sumOfSquares(client, trainable);
  }
  const length = Math.sqrt(squares);
  if (norm !== undefined && length > norm) scaleVector(client, norm / length, trainable);
  return true;
}

/** x *= factor, by the client's own means where it has some. */
export function scaleVector(client: ParameterClient, factor: number, x: Float32Array): void {
  if (client.scale?.(factor, x)) return;
  for (let i = 0; i < x.length; i++) x[i]! *= factor;
}

function sumOfSquares(client: ParameterClient, x: Float32Array): number {
  const known = client.sumOfSquares?.(x);
  if (known !== undefined) return known;
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!;
  return sum;
}

function clamp(limit: number, x: Float32Array): void {
  for (let i = 0; i < x.length; i++) x[i] = Math.max(-limit, Math.min(limit, x[i]!));
}
