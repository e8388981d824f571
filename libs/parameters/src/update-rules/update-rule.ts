import type { UpdateRuleSpec } from '@downpour/contracts';

/** Memory that a rule keeps for each trainable value. */
export interface Slot {
  name: string;
  /** What it holds before the first gradient. */
  initial: number;
}

/**
 * What a shard does with a gradient. Every arithmetic operation is rounded to float32, as in TensorFlow's kernels: the fold over a log
 * has one answer to the bit, and a SIMD kernel can take a rule's place without changing it.
 */
export interface UpdateRule<Spec extends UpdateRuleSpec = UpdateRuleSpec> {
  slots(spec: Spec): Slot[];
  /**
   * Applies one gradient in place to the values [begin, end). `slots` come in the order of `slots()`; `step` counts the gradients applied,
   * this one included: 1 for the first.
   */
  apply(
    spec: Spec,
    parameters: Float32Array,
    gradient: Float32Array,
    slots: readonly Float32Array[],
    step: number,
    begin: number,
    end: number,
  ): void;
}

export type SpecOf<Kind extends UpdateRuleSpec['kind']> = Extract<UpdateRuleSpec, { kind: Kind }>;

/** Rounds to float32. */
export const f32 = Math.fround;
