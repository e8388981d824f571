import type { SpecOf } from '../update-rule.ts';
import type { ReferenceRule } from './reference-rule.ts';
import { f32 } from './reference-rule.ts';

/** tfjs's backend.epsilon() for float32. */
const EPSILON = f32(1e-7);

/**
 * s += g^2; w -= lr * g / sqrt(s + epsilon) (tf.train.adagrad). The paper's rule of section 4.1, which has no epsilon: it matters only
 * where a sum of squares is next to nothing.
 */
export const adagrad: ReferenceRule<SpecOf<'adagrad'>> = (spec, parameters, gradient, [sumOfSquares]) => {
  const s = sumOfSquares!;
  const rate = f32(-spec.learningRate);
  for (let i = 0; i < parameters.length; i++) {
    const g = gradient[i]!;
    const sum = f32(s[i]! + f32(g * g));
    s[i] = sum;
    parameters[i] = f32(f32(f32(g / f32(Math.sqrt(f32(sum + EPSILON)))) * rate) + parameters[i]!);
  }
};
