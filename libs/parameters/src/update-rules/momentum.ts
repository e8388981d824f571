import type { SpecOf, UpdateRule } from './update-rule.ts';

/** a = m * a + g; w -= lr * a, or with Nesterov w -= lr * (g + m * a) (tf.train.momentum). */
export const momentum: UpdateRule<SpecOf<'momentum'>> = {
  slots: () => [{ name: 'momentum', initial: 0 }],
  apply: (kernels, spec, parameters, gradient, [accumulated]) =>
    kernels.momentum(parameters, gradient, accumulated!, spec),
};
