import { stepsInChunk } from '@downpour/contracts';
import { addScaled } from '../add-scaled.ts';
import type { ChunkOutcome, ReplicaOptions, TrainChunkOptions } from '../downpour-replica.ts';
import { allFinite } from '../finite.ts';
import type { PulledParameters, ReplicaContext, TakenChunk } from '../ports.ts';
import type { ChunkReport } from '../progress-reporter.ts';
import { ProgressReporter } from '../progress-reporter.ts';
import { stepSeed } from '../step-seed.ts';

/**
 * A replica of Sandblaster (Dean et al. 2012, section 4.2): the parameters are fetched once for an evaluation; of a portion it sends the sum of the gradients
 * over its examples, and the sum of their losses, once. Dropout, where a model has it, is the same in every evaluation: L-BFGS needs one function.
 */
export class SandblasterReplica {
  readonly #context: ReplicaContext;
  readonly #observe: NonNullable<ReplicaOptions['observe']>;
  readonly #progress: ProgressReporter;
  readonly #point: PulledParameters;
  readonly #sum: Float32Array;

  constructor(context: ReplicaContext, options: ReplicaOptions = {}) {
    this.#context = context;
    this.#observe = options.observe ?? (() => undefined);
    this.#progress = new ProgressReporter(context.instance, context.report, options.eventIntervalMs ?? 250);
    const { layout, shards } = context.plan;
    const allocate = () =>
      context.parameters.allocate?.() ?? context.replica.allocate?.(layout.length) ?? new Float32Array(layout.length);
    this.#point = { vector: allocate(), versions: shards.map(() => -1) };
    this.#sum = allocate();
  }

  /** As DownpourReplica.trainChunk. A portion of an evaluation that is over is given back. */
  async trainChunk(chunk: TakenChunk, { stop }: TrainChunkOptions = {}): Promise<ChunkOutcome> {
    const { signal } = this.#context;
    const going = stop ? AbortSignal.any([signal, stop]) : signal;
    const beganMs = performance.now();
    let computeMs = 0;
    try {
      going.throwIfAborted();
      if (!(await this.#at(chunk.task.version ?? 0, going))) {
        await chunk.giveBack({ untried: true });
        return { kind: 'given-back', why: 'stopping', computeMs };
      }
      const examples = await chunk.examples;
      const { epoch, chunk: portion } = chunk.task;
      const { plan, replica, parameters } = this.#context;
      const { batchSize, seed } = plan.chunks;
      const steps = stepsInChunk(plan.chunks, portion);
      const totals = { loss: 0, correct: 0, accuracyKnown: true };
      this.#sum.fill(0);
      for (let step = 0; step < steps; step++) {
        going.throwIfAborted();
        const begin = step * batchSize;
        const end = Math.min(begin + batchSize, examples.count);
        const stepBeganMs = performance.now();
        const result = await replica.step(this.#point.vector, examples, begin, end, stepSeed(seed, 0, portion, step));
        const ms = performance.now() - stepBeganMs;
        this.#observe('step', ms);
        computeMs += ms;
        addScaled(parameters, end - begin, result.gradient, this.#sum);
        totals.loss += result.loss * (end - begin);
        if (result.accuracy === null) totals.accuracyKnown = false;
        else totals.correct += result.accuracy * (end - begin);
      }
      const { count } = examples;
      // Too far out, as a line search may go: the shards are told that there is no loss.
      const bad = !Number.isFinite(totals.loss) || !allFinite(parameters, this.#sum);
      const pushBeganMs = performance.now();
      const { versions } = this.#point;
      await parameters.push(
        {
          gradient: this.#sum,
          epoch,
          chunk: portion,
          push: 0,
          versions: [...versions],
          examples: count,
          ...(bad ? { bad: true } : { loss: totals.loss }),
        },
        going,
      );
      this.#observe('push', performance.now() - pushBeganMs);
      await chunk.done();
      const report: ChunkReport = {
        epoch,
        chunk: portion,
        examples: count,
        steps,
        pushes: 1,
        loss: totals.loss / count,
        accuracy: totals.accuracyKnown ? totals.correct / count : null,
        computeMs,
      };
      if (!bad) this.#progress.add(report, beganMs);
      return { kind: 'trained', report, settled: Promise.resolve('done') };
    } catch (error) {
      await chunk.giveBack({ untried: going.aborted }).catch(() => undefined);
      if (going.aborted) return { kind: 'given-back', why: signal.aborted ? 'cancelled' : 'stopping', computeMs };
      throw error;
    }
  }

  /** Sends the progress that has not been told yet. */
  close(): void {
    this.#progress.flush();
  }

  /** The point of that version is here, from before or now; false: the shards have another by now. */
  async #at(version: number, signal: AbortSignal): Promise<boolean> {
    const here = () => this.#point.versions.every((each) => each === version);
    if (here()) return true;
    const beganMs = performance.now();
    await this.#context.parameters.pull(this.#point, signal);
    this.#observe('pull', performance.now() - beganMs);
    return here();
  }
}
