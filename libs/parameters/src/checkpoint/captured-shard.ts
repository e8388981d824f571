import type { CheckpointShard } from '@downpour/contracts';
import type { ParameterShard } from '../parameter-shard.ts';
import { updateRuleOf } from '../update-rules/rules.ts';
import { ledgerToJson } from './ledger-json.ts';

/** A copy of a shard at one version: what is written to a checkpoint, while the shard itself goes on. */
export interface CapturedShard {
  description: CheckpointShard;
  /** Names of the update rule's slots. */
  slots: string[];
  /** The parameters, then each slot. */
  vectors: Float32Array[];
}

export const captureShard = (shard: ParameterShard): CapturedShard => {
  const { identity } = shard;
  const { version, parameters, slots, ledger } = shard.capture();
  return {
    description: { shard: identity.shard, ranges: identity.ranges, version, ledger: ledgerToJson(ledger) },
    slots: updateRuleOf(identity.rule)
      .slots(identity.rule)
      .map(({ name }) => name),
    vectors: [parameters, ...slots].map((vector) => vector.slice()),
  };
};
