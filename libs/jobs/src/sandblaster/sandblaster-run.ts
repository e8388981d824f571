import type { JobPlan } from '@downpour/contracts';
import type { LbfgsState } from '@downpour/training';
import { Lbfgs } from '@downpour/training';
import { randomUUID } from 'node:crypto';
import type { CoordinatorPort } from '../ports.ts';
import { PortionDesk } from './portion-desk.ts';
import { ShardVectors } from './shard-vectors.ts';

export interface SandblasterRunParts {
  plan: JobPlan;
  cluster: CoordinatorPort;
  /** An iteration was accepted. */
  onIteration: (state: LbfgsState) => void;
  /** Or it has ended. */
  onChange: () => void;
}

/** How a run has ended. Whoever has failed may be begun again: it goes on from the last iteration that is stored. */
export type SandblasterOutcome = { state: LbfgsState } | { error: unknown };

/**
 * The main loop of one sandblaster job, while its shards stay where they are (Dean et al. 2012, section 4.2). It holds scalars alone; all that must last is on the
 * shards. So it may be ended at any point, and another one, here or elsewhere, goes on from the last iteration.
 */
export class SandblasterRun {
  /** Owners that it was begun with: with others it must be begun anew. */
  readonly owners: string;
  readonly desk: PortionDesk;
  state: LbfgsState | null = null;
  outcome: SandblasterOutcome | null = null;
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;
  #enough = false;

  constructor(parts: SandblasterRunParts) {
    const { plan, cluster } = parts;
    const { strategy } = plan.spec;
    this.owners = ownersOf(plan);
    const alive = () =>
      new Set(cluster.members().flatMap(({ role, instance }) => (role === 'worker' ? [instance] : [])));
    this.desk = new PortionDesk(plan, alive, strategy.kind !== 'sandblaster' || strategy.backupPortions);
    this.#done = this.#run(parts).finally(parts.onChange);
  }

  /** Ends with the iteration at hand. */
  enough(): void {
    this.#enough = true;
  }

  /** Ends it where it is. Never rejects. */
  async stop(): Promise<void> {
    this.#abort.abort(new Error('The main loop was ended'));
    await this.#done;
  }

  async #run({ plan, cluster, onIteration, onChange }: SandblasterRunParts): Promise<void> {
    const end = cluster.servePortions(plan.jobId, (request) => this.desk.answer(request));
    const { signal } = this.#abort;
    try {
      const gather = (evaluation: number, version: number) => this.desk.gather(evaluation, version, signal);
      const vectors = new ShardVectors(plan, cluster, randomUUID(), gather, signal);
      const text = await vectors.restore((state) => (JSON.parse(state) as LbfgsState).evaluations);
      const from = text === null ? null : (JSON.parse(text) as LbfgsState);
      const lbfgs = new Lbfgs(vectors, optionsOf(plan), from);
      const state = await lbfgs.run((accepted) => {
        signal.throwIfAborted();
        this.state = accepted;
        onIteration(accepted);
        onChange();
        return !this.#enough;
      });
      if (state !== this.state) onIteration(state);
      this.state = state;
      this.outcome = { state };
    } catch (error) {
      this.outcome = { error };
    } finally {
      end();
      this.desk.close();
    }
  }
}

export const ownersOf = (plan: JobPlan): string =>
  plan.shards.map(({ instance, ownership }) => `${instance ?? ''}/${ownership}`).join(' ');

const optionsOf = ({ spec, chunks }: JobPlan) => {
  if (spec.strategy.kind !== 'sandblaster') throw new Error('This job is of another strategy');
  const { history, gradientTolerance, lossTolerance } = spec.strategy;
  return { history, gradientTolerance, lossTolerance, maxEvaluations: chunks.epochs, maxIterations: Infinity };
};
