import type { UpdateRuleSpec } from '@downpour/contracts';
import type { SpecOf } from '../update-rule.ts';
import { adagrad } from './adagrad.ts';
import { adam } from './adam.ts';
import { momentum } from './momentum.ts';
import type { ReferenceRule } from './reference-rule.ts';
import { rmsprop } from './rmsprop.ts';
import { sgd } from './sgd.ts';

const rules: { [Kind in UpdateRuleSpec['kind']]: ReferenceRule<SpecOf<Kind>> } = {
  sgd,
  momentum,
  adagrad,
  rmsprop,
  adam,
};

/** For specs and benchmarks: what the rule of a spec must do. */
export const referenceRuleOf = (spec: UpdateRuleSpec): ReferenceRule => rules[spec.kind] as ReferenceRule;
