import type { SpecOf, UpdateRule } from './update-rule.ts';

/** w -= lr * g (tf.train.sgd). */
export const sgd: UpdateRule<SpecOf<'sgd'>> = {
  slots: () => [],
  apply: (kernels, spec, parameters, gradient) => kernels.sgd(parameters, gradient, spec),
};
