import type { SpecOf, UpdateRule } from './update-rule.ts';

/**
 * s += g^2; w -= lr * g / sqrt(s + epsilon) (tf.train.adagrad). The paper's rule of section 4.1, which has no epsilon: it matters only
 * where a sum of squares is next to nothing.
 */
export const adagrad: UpdateRule<SpecOf<'adagrad'>> = {
  slots: (spec) => [{ name: 'accumulator', initial: spec.initialAccumulator }],
  apply: (kernels, spec, parameters, gradient, [sumOfSquares]) =>
    kernels.adagrad(parameters, gradient, sumOfSquares!, spec),
};
