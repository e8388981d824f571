import type { SpecOf, UpdateRule } from './update-rule.ts';
import { f32 } from './update-rule.ts';

/** a = m * a + g; w -= lr * a, or with Nesterov w -= lr * (g + m * a) (tf.train.momentum). */
export const momentum: UpdateRule<SpecOf<'momentum'>> = {
  slots: () => [{ name: 'momentum', initial: 0 }],
  apply: (spec, parameters, gradient, [accumulated], _step, begin, end) => {
    const a = accumulated!;
    const rate = f32(-spec.learningRate);
    const m = f32(spec.momentum);
    for (let i = begin; i < end; i++) a[i] = f32(f32(m * a[i]!) + gradient[i]!);
    // Two loops, for a branch inside one costs a third of its speed.
    if (spec.nesterov)
      for (let i = begin; i < end; i++)
        parameters[i] = f32(f32(rate * f32(gradient[i]! + f32(a[i]! * m))) + parameters[i]!);
    else for (let i = begin; i < end; i++) parameters[i] = f32(f32(rate * a[i]!) + parameters[i]!);
  },
};
