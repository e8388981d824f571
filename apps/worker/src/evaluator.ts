import type { EvaluateTask, Evaluation } from '@downpour/contracts';
import { objects } from '@downpour/contracts';
import { metricValues } from '@downpour/models/topology';
import type { Logger } from '@downpour/platform';
import { evaluatedSplit } from './evaluate-split.ts';
import type { HeldTask, WorkerVerbs } from './ports.ts';
import { isDeterministic, MAX_DELIVERIES, problemEvent } from './problems.ts';
import type { ServedJob } from './served-job.ts';
import type { ServedJobs } from './served-jobs.ts';
import { bytesOf } from './whole-parameters.ts';

/** How long the plan of a task's job may lag behind the task. */
const PLAN_WAIT_MS = 2000;
/** Of a model that is cut only a leader can evaluate: how long a task stays with another worker. */
const NOT_MINE_MS = 200;

/** Does evaluation tasks: fresh parameters, the whole test split, an `evaluation` event; with `final` the model's files first. */
export class Evaluator {
  readonly #instance: string;
  readonly #jobs: ServedJobs;
  readonly #verbs: WorkerVerbs;
  readonly #log: Logger;
  readonly #planWaitMs: number;

  constructor(instance: string, jobs: ServedJobs, verbs: WorkerVerbs, log: Logger, planWaitMs = PLAN_WAIT_MS) {
    this.#instance = instance;
    this.#jobs = jobs;
    this.#verbs = verbs;
    this.#log = log;
    this.#planWaitMs = planWaitMs;
  }

  /** The task is done or given back when this settles. Rejects with what went wrong, after it was reported. */
  async evaluate(held: HeldTask<EvaluateTask>, stop: AbortSignal): Promise<void> {
    const job = await this.#job(held.task.jobId, stop);
    if (!job) {
      this.#log.debug({ job: held.task.jobId }, 'An evaluation was dropped: its job is over');
      await held.done();
      return;
    }
    const signal = AbortSignal.any([job.abort.signal, stop]);
    if (!job.evaluates) {
      await new Promise((resolve) => setTimeout(resolve, NOT_MINE_MS));
      return await held.giveBack({ untried: true });
    }
    try {
      await job.use(() => this.#evaluate(job, held.task, signal));
      await held.done();
    } catch (error) {
      if (job.abort.signal.aborted) return await held.done();
      const again = !isDeterministic(error) && held.delivery <= MAX_DELIVERIES;
      if (again) await held.giveBack();
      if (signal.aborted) return;
      // Without the last evaluation there is no model: the job has failed. An earlier one is only missed.
      const fatal = !again && held.task.final;
      await this.#verbs.publish(job.jobId, problemEvent(this.#instance, error, null, fatal));
      if (!again) await held.done();
      throw error;
    }
  }

  async #evaluate(job: ServedJob, task: EvaluateTask, signal: AbortSignal): Promise<void> {
    const { plan } = job;
    const began = performance.now();
    const { sums, vector } = await job.evaluate(signal);
    const metrics = metricValues(plan.spec, sums.metrics, sums.examples);
    const evaluation: Evaluation = {
      loss: finite(sums.lossSum / sums.examples),
      accuracy: sums.correct === null ? null : sums.correct / sums.examples,
      metrics: Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, finite(value)])),
      examples: sums.examples,
      epoch: task.epoch,
      at: new Date().toISOString(),
    };
    if (task.final) await this.#export(job, vector);
    await this.#verbs.publish(job.jobId, {
      type: 'evaluation',
      at: evaluation.at,
      evaluation,
      final: task.final,
      instance: this.#instance,
    });
    const ms = Math.round(performance.now() - began);
    this.#log.info({ job: job.jobId, ...evaluation, final: task.final, split: evaluatedSplit(plan), ms }, 'Evaluated');
  }

  async #export(job: ServedJob, vector: AsyncIterable<Float32Array> | Iterable<Float32Array>): Promise<void> {
    const { modelJson, weights } = this.#verbs.exportModel(job.plan);
    await Promise.all([
      this.#verbs.putObject(objects.modelTopology(job.jobId), [new TextEncoder().encode(modelJson)]),
      this.#verbs.putObject(objects.modelWeights(job.jobId), bytesOf(vector, weights)),
    ]);
  }

  /** The task may come before the plan has; a plan that does not come is gone. */
  async #job(jobId: string, stop: AbortSignal): Promise<ServedJob | undefined> {
    const deadline = performance.now() + this.#planWaitMs;
    while (!this.#jobs.get(jobId) && performance.now() < deadline && !stop.aborted) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return this.#jobs.get(jobId);
  }
}

/** Events are JSON: an overflowing loss is told as the largest number there is. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : Number.MAX_VALUE;
}
