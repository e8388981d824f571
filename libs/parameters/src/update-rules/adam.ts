import type { SpecOf, UpdateRule } from './update-rule.ts';

/**
 * m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g^2; w -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon) (tf.train.adam).
 * t counts the gradients that this shard has applied: every shard corrects by its own clock.
 */
export const adam: UpdateRule<SpecOf<'adam'>> = {
  slots: () => [
    { name: 'm', initial: 0 },
    { name: 'v', initial: 0 },
  ],
  apply: (kernels, spec, parameters, gradient, [mean, square], step) =>
    kernels.adam(parameters, gradient, mean!, square!, { ...spec, step }),
};
