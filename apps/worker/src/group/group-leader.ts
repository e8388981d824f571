import { DownpourError } from '@downpour/contracts';
import type { ChunkOutcome, TakenChunk, TrainChunkOptions } from '@downpour/training';
import type { GroupSeat } from './group-seat.ts';
import type { PartitionPart } from './partition-part.ts';

/**
 * The member of a group that takes the chunks: each is trained by all members, the same steps in the same order, and is done once the pushes of all are durable. A chunk that is given up is
 * trained anew; what some shards have of it by then their ledgers know.
 */
export class GroupLeader {
  readonly #seat: GroupSeat;
  readonly #part: PartitionPart;

  constructor(seat: GroupSeat, part: PartitionPart) {
    this.#seat = seat;
    this.#part = part;
  }

  /** As DownpourReplica.trainChunk. Throws what a member says will go wrong again. */
  async trainChunk(chunk: TakenChunk, options: TrainChunkOptions = {}): Promise<ChunkOutcome> {
    const seat = this.#seat;
    const stop = options.stop ?? new AbortController().signal;
    let failure: unknown = null;
    let givenBack = false;
    try {
      return await seat.lead({ kind: 'chunk', task: chunk.task }, stop, async (run, others) => {
        others.catch((error: unknown) => (failure = error));
        this.#part.replica.begin(run);
        const shared: TakenChunk = {
          task: chunk.task,
          delivery: chunk.delivery,
          // Members may each have settled other pushes of it: all are computed again, by all.
          again: false,
          examples: chunk.examples,
          done: async () => {
            await others;
            await chunk.done();
            seat.end(run);
          },
          giveBack: async (given) => {
            seat.giveUp(run);
            givenBack = true;
            await chunk.giveBack({ untried: given?.untried === true && isPassing(failure) });
          },
        };
        const outcome = await this.#part.downpour.trainChunk(shared, {
          ...options,
          stop: AbortSignal.any([stop, run.signal]),
        });
        if (outcome.kind === 'given-back' && !isPassing(failure)) throw failure;
        return outcome;
      });
    } catch (error) {
      const blameless = isPassing(error) || stop.aborted;
      if (!givenBack) await chunk.giveBack({ untried: blameless }).catch(() => undefined);
      if (!blameless) throw error;
      // The group changed before its members had begun.
      return { kind: 'given-back', why: 'stopping', computeMs: 0 };
    }
  }

  /** The part outlives it. */
  close(): void {}
}

/** A member that is gone, or a group that is no more: another comes. */
function isPassing(error: unknown): boolean {
  return error === null || (error instanceof DownpourError && error.code === 'unavailable');
}
