import type { SpecOf } from '../update-rule.ts';
import type { ReferenceRule } from './reference-rule.ts';
import { f32 } from './reference-rule.ts';

/**
 * m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g^2; w -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon) (tf.train.adam).
 * t counts the gradients that this shard has applied: every shard corrects by its own clock.
 */
export const adam: ReferenceRule<SpecOf<'adam'>> = (spec, parameters, gradient, [first, second], step) => {
  const [m, v] = [first!, second!];
  const [b1, b2] = [f32(spec.beta1), f32(spec.beta2)];
  const [rest1, rest2] = [f32(1 - spec.beta1), f32(1 - spec.beta2)];
  // Powers of the betas as float32 holds them: 1 - b2 differs from 0.001 in the fifth digit, and TensorFlow's does, too.
  const [correction1, correction2] = [f32(1 - b1 ** step), f32(1 - b2 ** step)];
  const [rate, epsilon] = [f32(-spec.learningRate), f32(spec.epsilon)];
  for (let i = 0; i < parameters.length; i++) {
    const g = gradient[i]!;
    const mean = f32(f32(m[i]! * b1) + f32(g * rest1));
    const square = f32(f32(v[i]! * b2) + f32(f32(g * g) * rest2));
    m[i] = mean;
    v[i] = square;
    const scale = f32(f32(Math.sqrt(f32(square / correction2))) + epsilon);
    parameters[i] = f32(f32(f32(f32(mean / correction1) / scale) * rate) + parameters[i]!);
  }
};
