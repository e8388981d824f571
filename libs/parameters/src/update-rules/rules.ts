import type { UpdateRuleSpec } from '@downpour/contracts';
import { adagrad } from './adagrad.ts';
import { adam } from './adam.ts';
import { momentum } from './momentum.ts';
import { rmsprop } from './rmsprop.ts';
import { sgd } from './sgd.ts';
import type { SpecOf, UpdateRule } from './update-rule.ts';

const rules: { [Kind in UpdateRuleSpec['kind']]: UpdateRule<SpecOf<Kind>> } = { sgd, momentum, adagrad, rmsprop, adam };

/** The rule of a spec (docs/recipes/add-an-update-rule.md). */
export const updateRuleOf = (spec: UpdateRuleSpec): UpdateRule => rules[spec.kind] as UpdateRule;
