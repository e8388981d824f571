import type { VectorOperation } from '@downpour/contracts';

/** What one evaluation of the whole batch says. */
export interface BatchEvaluation {
  /** Mean over the batch; anything but a number where the point is too far out. */
  loss: number;
  /** Of the dots in `move`, then of those in `then`. */
  scalars: number[];
}

/** What is stored of an iteration beside `point`. */
export interface KeptIteration {
  vectors: string[];
  state: string;
}

/**
 * The batch's objective, whose vectors lie on the shards: whoever minimises it sees scalars alone. Operations are broadcast, and each scalar is the sum of what
 * the shards answer, in float64 and in their order.
 */
export interface BatchObjective {
  /**
   * Does `move`, which ends with where to evaluate in `point`; evaluates; does `then` with the mean gradient in `gradient`. Two rounds: everything that may
   * be asked before the loss is known goes with the first, everything after it with the second.
   */
  evaluate(move: readonly VectorOperation[], then: readonly VectorOperation[]): Promise<BatchEvaluation>;
  /** The iteration is accepted: after `accept` it is stored, with the next round. Resolves once the iteration before is durable. */
  commit(iteration: number, accept: readonly VectorOperation[], kept: KeptIteration): Promise<void>;
  /** Sends what still waits for a next round, and resolves once the last commit is durable. */
  flush(then?: readonly VectorOperation[]): Promise<void>;
}
