import type { SpecOf } from '../update-rule.ts';
import type { ReferenceRule } from './reference-rule.ts';
import { f32 } from './reference-rule.ts';

/** w -= lr * g (tf.train.sgd). */
export const sgd: ReferenceRule<SpecOf<'sgd'>> = (spec, parameters, gradient) => {
  const rate = f32(-spec.learningRate);
  for (let i = 0; i < parameters.length; i++) parameters[i] = f32(f32(rate * gradient[i]!) + parameters[i]!);
};
