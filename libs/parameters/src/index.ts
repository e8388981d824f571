export {
  gatherRanges,
  normaliseRanges,
  rangesLength,
  scatterRanges,
  trainableLengthOf,
  viewRanges,
} from './key-range.ts';
export { maxShards, placementBalance, placeParameters } from './placement/place-parameters.ts';
export { updateRuleOf } from './update-rules/rules.ts';
export type { PlacementBalance, PlacementName } from './placement/place-parameters.ts';
export type { LoggedPush, PushLog, SnapshotStore } from './ports.ts';
export type { Slot, UpdateRule } from './update-rules/update-rule.ts';
