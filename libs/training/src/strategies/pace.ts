import type { StrategySpec } from '@downpour/contracts';
import type { PullOptions, TakenChunk } from '../ports.ts';
import { BoundedPace } from './bounded-pace.ts';
import { ClockPace } from './clock-pace.ts';
import { FreePace } from './free-pace.ts';
import { StepPace } from './step-pace.ts';

/** The chunk that a replica works on. */
export type ChunkKey = Pick<TakenChunk['task'], 'epoch' | 'chunk'>;

/** Asks the shards something between two fetches. */
export type Ask = (options: PullOptions, signal: AbortSignal) => Promise<void>;

/**
 * How a strategy keeps a replica in step with the others: what it asks of shards when it fetches, and when a chunk is done. The replica's loop is the same for all of
 * them (downpour-replica.ts).
 */
export interface Pace {
  /** The replica waits for others at every step. */
  readonly inStep: boolean;
  /** What a fetch asks for, once everything is known that it depends on. */
  pullOptions(chunk: ChunkKey): PullOptions | Promise<PullOptions>;
  /** A push is on its way; it resolves with its places in the shards' logs. */
  pushed(durable: Promise<readonly number[]>): void;
  /** Pushes of the chunk that every shard has settled, as of the last fetch that asked: they need not be computed again. */
  settled(): ReadonlySet<number>;
  /** After the last push of a chunk: whether all of them count. False: some came late, the chunk is to be given back. */
  confirm(chunk: ChunkKey, pushes: number, signal: AbortSignal): Promise<boolean>;
}

/** `ahead`: pushes of its own that a replica without a barrier may be ahead of the shards (see FreePace). */
export function paceOf(strategy: StrategySpec, ahead: number, ask: Ask): Pace {
  switch (strategy.kind) {
    case 'ssp':
      return new ClockPace(ahead);
    case 'sync':
    case 'localSgd':
      return new StepPace(ask);
    case 'async':
      return strategy.maxStaleness === undefined ? new FreePace(ahead) : new BoundedPace(ahead, ask);
    default:
      return new FreePace(ahead);
  }
}
