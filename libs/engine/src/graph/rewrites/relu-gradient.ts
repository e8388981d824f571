import type { RecordedOp, Source } from '../recording.ts';
import { same, type Rewrite, type View } from './rewrite.ts';

/**
 * dy * step(x), which tfjs-node writes with six ops (step = x is NaN ? x : x > 0 ? 1 : 0), is TensorFlow's ReluGrad(dy, x): a
 * quarter of a small CNN's step. Where relu(x) is at hand, that is read instead (positive where x is): then nothing but the relu reads
 * x, and TensorFlow fuses it into the convolution. The one difference: a NaN in x stays in the loss, but not in this gradient.
 */
export const reluGradient: Rewrite = (op, view) => {
  if (op.name !== 'Mul') return null;
  const [a, b] = op.inputs as [Source, Source];
  for (const [dy, step] of [
    [a, b],
    [b, a],
  ] as const) {
    const x = stepOf(view.opOf(step), view);
    if (!x || !sameShape(view, dy, x)) continue;
    const relu = view.readerOf(x, 'Relu') ?? x;
    return { ...op, name: 'ReluGrad', inputs: [dy, relu] };
  }
  return null;
};

/** x of Select(IsNan(x), x, Select(Greater(x, 0), ones, Fill(0))). */
function stepOf(op: RecordedOp | null, view: View): Source | null {
  if (op?.name !== 'Select') return null;
  const [isNan, x, inner] = op.inputs;
  const nan = view.opOf(isNan);
  const select = view.opOf(inner);
  if (!x || nan?.name !== 'IsNan' || !same(nan.inputs[0]!, x) || select?.name !== 'Select') return null;
  const greater = view.opOf(select.inputs[0]);
  if (greater?.name !== 'Greater' || !same(greater.inputs[0]!, x)) return null;
  const fill = view.opOf(select.inputs[2]);
  const zero = fill?.name === 'Fill' ? view.valuesOf(fill.inputs[1]) : null;
  const all = (values: ArrayLike<number> | null, value: number) =>
    values !== null && Array.prototype.every.call(values, (each) => each === value);
  const ones = all(view.valuesOf(select.inputs[1]), 1);
  return ones && all(zero, 0) && all(view.valuesOf(greater.inputs[1]), 0) ? x : null;
}

function sameShape(view: View, a: Source, b: Source): boolean {
  return view.tensorOf(a).shape.join() === view.tensorOf(b).shape.join();
}
