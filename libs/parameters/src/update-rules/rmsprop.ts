import type { SpecOf, UpdateRule } from './update-rule.ts';

/** s = d * s + (1 - d) * g^2; v = m * v + lr * g / sqrt(s + epsilon); w -= v (tf.train.rmsprop, not centred). */
export const rmsprop: UpdateRule<SpecOf<'rmsprop'>> = {
  // Without momentum v need not be remembered.
  slots: (spec) => [{ name: 'rms', initial: 0 }, ...(spec.momentum > 0 ? [{ name: 'momentum', initial: 0 }] : [])],
  apply: (kernels, spec, parameters, gradient, [meanSquare, moments]) =>
    kernels.rmsprop(parameters, gradient, meanSquare!, moments, spec),
};
