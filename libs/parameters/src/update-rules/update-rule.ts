import type { UpdateRuleSpec } from '@downpour/contracts';
import type { EncodedVector, RuleKernels } from '@downpour/kernels';

/** Memory that a rule keeps for each trainable value. */
export interface Slot {
  name: string;
  /** What it holds before the first gradient. */
  initial: number;
}

/**
 * What a shard does with a gradient: which memory that takes, and which kernel does it (libs/kernels; `reference/` has the same arithmetic as plain loops).
 * Every operation is rounded to float32, as in TensorFlow's kernels: the fold over a log has one answer to the bit.
 */
export interface UpdateRule<Spec extends UpdateRuleSpec = UpdateRuleSpec> {
  slots(spec: Spec): Slot[];
  /**
   * Applies one gradient in place to all of `parameters`, the trainable values. `gradient` is as long or longer, in any encoding; `slots` are as long as
   * `parameters` and come in the order of `slots()`; all of them lie in the kernels' memory. `step` counts the gradients applied, this one included: 1 for the
   * first.
   */
  apply(
    kernels: RuleKernels,
    spec: Spec,
    parameters: Float32Array,
    gradient: EncodedVector,
    slots: readonly Float32Array[],
    step: number,
  ): void;
}

export type SpecOf<Kind extends UpdateRuleSpec['kind']> = Extract<UpdateRuleSpec, { kind: Kind }>;
