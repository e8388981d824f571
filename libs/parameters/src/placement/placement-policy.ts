import type { KeyRange, ParameterLayout } from '@downpour/contracts';

/** One way to lay a job's vector on shards. */
export interface PlacementPolicy {
  /** Most shards of which each gets at least one value. */
  maxShards(layout: ParameterLayout): number;
  /** Ranges by shard, in any order; every offset in exactly one. `shards` is at most maxShards. */
  place(layout: ParameterLayout, shards: number): KeyRange[][];
  /** Said to a user who asks for more shards than that. */
  limit: string;
}

/** Variables that have values; state variables count like trainable ones. */
export const placedVariables = (layout: ParameterLayout) => layout.variables.filter(({ length }) => length > 0);
