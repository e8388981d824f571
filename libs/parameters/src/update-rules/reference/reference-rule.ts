import type { UpdateRuleSpec } from '@downpour/contracts';

/**
 * An update rule as a plain loop, to be read and to be compared with: the kernel (libs/kernels/assembly) must give the same bits. Every arithmetic operation is rounded to
 * float32, as in TensorFlow's kernels. `gradient` holds at least as many values as `parameters`; `slots` and `step` as in UpdateRule.
 */
export type ReferenceRule<Spec extends UpdateRuleSpec = UpdateRuleSpec> = (
  spec: Spec,
  parameters: Float32Array,
  gradient: Float32Array,
  slots: readonly Float32Array[],
  step: number,
) => void;

/** Rounds to float32. */
export const f32 = Math.fround;
