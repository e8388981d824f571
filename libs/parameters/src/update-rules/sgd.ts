import type { SpecOf, UpdateRule } from './update-rule.ts';
import { f32 } from './update-rule.ts';

/** w -= lr * g (tf.train.sgd). */
export const sgd: UpdateRule<SpecOf<'sgd'>> = {
  slots: () => [],
  apply: (spec, parameters, gradient, _slots, _step, begin, end) => {
    const rate = f32(-spec.learningRate);
    for (let i = begin; i < end; i++) parameters[i] = f32(f32(rate * gradient[i]!) + parameters[i]!);
  },
};
