export { referenceRuleOf } from './rules.ts';
export type { ReferenceRule } from './reference-rule.ts';
