import type { SpecOf, UpdateRule } from './update-rule.ts';
import { f32 } from './update-rule.ts';

/** a = m * a + g; w -= lr * a, or with Nesterov w -= lr * (g + m * a) (tf.train.momentum). */
export const momentum: UpdateRule<SpecOf<'momentum'>> = {
  slots: () => [{ name: 'momentum', initial: 0 }],
  apply: (spec, parameters, gradient, [accumulated], _step, begin, end) => {
    const a = accumulated!;
    const rate = f32(-spec.learningRate);
    const m = f32(spec.momentum);
    const { nesterov } = spec;
    for (let i = begin; i < end; i++) {
      const g = gradient[i]!;
      const next = f32(f32(m * a[i]!) + g);
      a[i] = next;
      const direction = nesterov ? f32(g + f32(next * m)) : next;
      parameters[i] = f32(f32(rate * direction) + parameters[i]!);
    }
  },
};
