export { captureShard } from './checkpoint/captured-shard.ts';
export { checkpointHeader, SLOT_PREFIX } from './checkpoint/checkpoint-file.ts';
export { initialFromCheckpoint, ownOfVector } from './checkpoint/initial-shard.ts';
export { originOf } from './checkpoint/origin.ts';
export { readingOrder } from './checkpoint/reading-order.ts';
export { writeCheckpoint } from './checkpoint/write-checkpoint.ts';
export {
  gatherRanges,
  normaliseRanges,
  rangesLength,
  scatterRanges,
  trainableLengthOf,
  viewRanges,
} from './key-range.ts';
export { Ledger } from './ledger.ts';
export { ParameterShard } from './parameter-shard.ts';
export { placeCut } from './placement/place-cut.ts';
export { maxShards, placementBalance, placeParameters } from './placement/place-parameters.ts';
export { compareVectors, firstDifference, sameBits } from './replay/compare.ts';
export { LogFileError, openLogFile, writeLogFile } from './replay/log-file.ts';
export { Replay } from './replay/replay.ts';
export { isPush } from './ports.ts';
export { BatchShard } from './sandblaster/batch-shard.ts';
export { openIteration } from './sandblaster/iteration-file.ts';
export { shardIdentity } from './shard-identity.ts';
export { KEPT_SNAPSHOTS, keepSnapshot } from './snapshot/keep-snapshot.ts';
export { recoverShard, ShardLostError } from './snapshot/recover-shard.ts';
export { SnapshotError } from './snapshot/snapshot-error.ts';
export { logShare, RECORD_OVERHEAD_BYTES, SnapshotPolicy } from './snapshot/snapshot-policy.ts';
export { encodeSnapshot, openSnapshot, sealSnapshot } from './snapshot/snapshot.ts';
export { Clocks } from './strategies/clocks.ts';
export { StalenessStatistics } from './staleness.ts';
export { updateRuleOf } from './update-rules/rules.ts';
export { UnloggedPushes } from './unlogged-pushes.ts';
export type { CapturedShard } from './checkpoint/captured-shard.ts';
export type { Beginner } from './checkpoint/origin.ts';
export type { ShardRun } from './checkpoint/reading-order.ts';
export type { CheckpointVerbs } from './checkpoint/write-checkpoint.ts';
export type { LedgerState, PushKey } from './ledger.ts';
export type { ApplyOutcome, ShardState } from './parameter-shard.ts';
export type { PlacementBalance, PlacementName } from './placement/place-parameters.ts';
export type { LogFollower, LoggedControl, LoggedPush, LoggedRecord, PushLog, SnapshotStore } from './ports.ts';
export type { FirstDifference, VariableDifference } from './replay/compare.ts';
export type { ReplaySource } from './replay/replay.ts';
export type { RoundOutcome, StoredIteration } from './sandblaster/batch-shard.ts';
export type { ShardIdentity } from './shard-identity.ts';
export type { RecoveredShard, RecoverOptions } from './snapshot/recover-shard.ts';
export type { SnapshotPolicyOptions } from './snapshot/snapshot-policy.ts';
export type { StalenessState } from './staleness.ts';
export type { WorkerClock } from './strategies/clocks.ts';
export type { Slot, UpdateRule } from './update-rules/update-rule.ts';
