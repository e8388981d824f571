import type { Replica } from '@downpour/training';
import { expect, it } from 'vitest';
import { PaddedReplica } from './padded-replica.ts';

const EXAMPLES = { count: 1, features: new Uint8Array(1), labels: new Int32Array(1) };
const RESULT = { gradient: Float32Array.of(1, 2), loss: 0.5, accuracy: 1 };

const replica = (extra: Partial<Replica> = {}): Replica => ({
  step: async () => RESULT,
  evaluate: async () => ({ lossSum: 1, correct: 1, metrics: [], examples: 1 }),
  dispose: async () => undefined,
  ...extra,
});

it('gives the result of the step, no sooner than the padding is over', async () => {
  const began = performance.now();
  const result = await new PaddedReplica(replica(), 60).step(new Float32Array(2), EXAMPLES, 0, 1, 1);
  expect(result).toBe(RESULT);
  expect(performance.now() - began).toBeGreaterThanOrEqual(59);
});

it('tells of a step that failed without waiting', async () => {
  const failing = replica({ step: () => Promise.reject(new Error('no examples')) });
  await expect(new PaddedReplica(failing, 60_000).step(new Float32Array(2), EXAMPLES, 0, 1, 1)).rejects.toThrow(
    'no examples',
  );
});

it('has memory of its own only where the padded replica has', () => {
  expect(new PaddedReplica(replica(), 1).allocate).toBeUndefined();
  const allocating = replica({ allocate: (length) => new Float32Array(length) });
  expect(new PaddedReplica(allocating, 1).allocate!(3)).toHaveLength(3);
});
