import type { SpecOf } from '../update-rule.ts';
import type { ReferenceRule } from './reference-rule.ts';
import { f32 } from './reference-rule.ts';

/** s = d * s + (1 - d) * g^2; v = m * v + lr * g / sqrt(s + epsilon); w -= v (tf.train.rmsprop, not centred). */
export const rmsprop: ReferenceRule<SpecOf<'rmsprop'>> = (spec, parameters, gradient, [meanSquare, moments]) => {
  const s = meanSquare!;
  const [rate, decay, rest] = [f32(spec.learningRate), f32(spec.decay), f32(1 - spec.decay)];
  const [m, epsilon] = [f32(spec.momentum), f32(spec.epsilon)];
  for (let i = 0; i < parameters.length; i++) {
    const g = gradient[i]!;
    const mean = f32(f32(s[i]! * decay) + f32(f32(g * g) * rest));
    s[i] = mean;
    let v = f32(f32(g * rate) / f32(Math.sqrt(f32(mean + epsilon))));
    if (moments !== undefined) moments[i] = v = f32(f32(moments[i]! * m) + v);
    parameters[i] = f32(parameters[i]! - v);
  }
};
