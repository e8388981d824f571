import type { JobPlan, VectorOperation } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { BatchEvaluation, BatchObjective, KeptIteration } from '@downpour/training';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CoordinatorPort } from '../ports.ts';

type Port = Pick<CoordinatorPort, 'operateVectors' | 'restoreVectors'>;

/** A shard that does not answer is asked again as long as this; it may have answered, and does nothing twice. */
const PATIENCE_MS = 15_000;
const RETRY_MS = 100;
const STORE_POLL_MS = 10;
/** Versions of a session before may have gone so far beyond what a shard knows. */
const SESSION_VERSIONS = 1_000_000;

/** Computes one evaluation: resolves when every portion of it is on the shards. */
export type Gather = (evaluation: number, version: number) => Promise<void>;

/** The vectors of one job on its shards, from one iteration on: broadcasts rounds, and adds up what comes back in the order of shards. */
export class ShardVectors implements BatchObjective {
  readonly #plan: JobPlan;
  readonly #port: Port;
  readonly #session: string;
  readonly #gather: Gather;
  readonly #signal: AbortSignal;
  #round = 0;
  #version = 0;
  #evaluation = 0;
  #pending: VectorOperation[] = [];
  #committed = -1;
  #stored = -1;

  constructor(plan: JobPlan, port: Port, session: string, gather: Gather, signal: AbortSignal) {
    this.#plan = plan;
    this.#port = port;
    this.#session = session;
    this.#gather = gather;
    this.#signal = signal;
  }

  /** All shards go back to the newest iteration that every one has stored. Answers its state; null: the job is at its beginning. @throws DownpourError */
  async restore(evaluationsOf: (state: string) => number): Promise<string | null> {
    const known = await this.#restored(null);
    let version = Math.max(...known.map((reply) => reply.version));
    for (let iteration = Math.min(...known.map((reply) => reply.iteration)); ; iteration--) {
      const replies = await this.#restored(iteration).catch((error: unknown) => {
        if (iteration < 0 || !(error instanceof DownpourError) || error.code !== 'not-found') throw error;
        return null;
      });
      if (replies === null) continue;
      version = Math.max(version, ...replies.map((reply) => reply.version));
      const [state = null, ...others] = replies.map((reply) => reply.state);
      // Of a run that was given up when some had stored it and others had not.
      if (iteration >= 0 && others.some((other) => other !== state)) continue;
      this.#version = version + SESSION_VERSIONS;
      this.#committed = this.#stored = iteration;
      this.#evaluation = state === null ? 0 : evaluationsOf(state);
      return state;
    }
  }

  async evaluate(move: readonly VectorOperation[], then: readonly VectorOperation[]): Promise<BatchEvaluation> {
    const evaluation = this.#evaluation++;
    const version = ++this.#version;
    const before = this.#takePending();
    const moved = await this.#broadcast([...before, ...move, { op: 'gather', evaluation, version }]);
    await this.#gather(evaluation, version);
    const [loss = NaN, ...scalars] = await this.#broadcast([{ op: 'gathered', evaluation }, ...then]);
    return { loss, scalars: [...moved, ...scalars] };
  }

  async commit(iteration: number, accept: readonly VectorOperation[], kept: KeptIteration): Promise<void> {
    await this.#durable();
    this.#pending = [...accept, { op: 'commit', iteration, ...kept }];
    this.#committed = iteration;
  }

  async flush(then: readonly VectorOperation[] = []): Promise<void> {
    await this.#broadcast([...this.#takePending(), ...then]);
    await this.#durable();
  }

  #takePending(): VectorOperation[] {
    const pending = this.#pending;
    this.#pending = [];
    return pending;
  }

  async #durable(): Promise<void> {
    while (this.#stored < this.#committed) {
      await this.#broadcast(this.#takePending());
      if (this.#stored < this.#committed) await sleep(STORE_POLL_MS, undefined, { signal: this.#signal });
    }
  }

  /** One round: all shards do the same, at once. */
  async #broadcast(operations: VectorOperation[]): Promise<number[]> {
    const round = ++this.#round;
    const { jobId } = this.#plan;
    const session = this.#session;
    const replies = await this.#all((shard, instance, ownership) =>
      this.#port.operateVectors(instance, {
        type: 'vectorOperations',
        v: 1,
        jobId,
        shard,
        ownership,
        session,
        round,
        operations,
      }),
    );
    this.#stored = Math.min(...replies.map(({ stored }) => stored));
    // The loss is of the whole model: each shard tells the same.
    const kinds = operations.filter(({ op }) => op === 'dot' || op === 'gathered');
    return kinds.map(({ op }, at) =>
      op === 'gathered'
        ? (replies[0]?.scalars[at] ?? NaN)
        : replies.reduce((sum, { scalars }) => sum + scalars[at]!, 0),
    );
  }

  #restored(iteration: number | null) {
    const { jobId } = this.#plan;
    const session = this.#session;
    return this.#all((shard, instance, ownership) =>
      this.#port.restoreVectors(instance, {
        type: 'restoreVectors',
        v: 1,
        jobId,
        shard,
        ownership,
        session,
        iteration,
      }),
    );
  }

  #all<Reply>(ask: (shard: number, instance: string, ownership: number) => Promise<Reply>): Promise<Reply[]> {
    return Promise.all(
      this.#plan.shards.map(async ({ shard, instance, ownership }) => {
        const until = performance.now() + PATIENCE_MS;
        for (;;) {
          this.#signal.throwIfAborted();
          if (instance === null) throw new DownpourError('unavailable', `Nobody owns shard ${shard} at present`);
          try {
            return await ask(shard, instance, ownership);
          } catch (error) {
            const passing =
              error instanceof DownpourError && ['timeout', 'unavailable', 'loading'].includes(error.code);
            if (!passing || performance.now() > until) throw error;
            await sleep(RETRY_MS, undefined, { signal: this.#signal });
          }
        }
      }),
    );
  }
}
