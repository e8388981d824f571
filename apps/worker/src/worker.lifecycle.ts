import { DownpourError } from '@downpour/contracts';
import type { Engine } from '@downpour/engine';
import type { EvaluationQueue, Membership, PlanWatcher } from '@downpour/nats';
import type { ServiceContext } from '@downpour/platform';
import { memberOf } from '@downpour/platform';
import type { GroupSeat } from './group/group-seat.ts';
import { SegmentTrace } from './group/segment-trace.ts';
import type { WorkerVerbs } from './ports.ts';
import { Worker } from './worker.ts';
import type { WorkerConfig } from './worker.config.ts';
import { WorkerMetrics } from './worker.metrics.ts';

export interface LifecycleParts {
  verbs: WorkerVerbs;
  evaluations: EvaluationQueue;
  plans: PlanWatcher;
  membership: Membership;
  engine: Engine;
}

/**
 * Joins the cluster once the process answers requests, and leaves it in order: nothing new, what is in hand finished or given back,
 * then the member key (NatsModule) and the jobs' links. The coordinator sees a worker that leaves as draining first.
 */
export class WorkerLifecycle {
  readonly #context: ServiceContext<WorkerConfig>;
  readonly #parts: LifecycleParts;
  #worker: Worker | null = null;

  constructor(context: ServiceContext<WorkerConfig>, parts: LifecycleParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /** As Worker.holds. */
  holds(jobId: string): boolean {
    return this.#worker?.holds(jobId) ?? false;
  }

  /** As Worker.seat. */
  seat(jobId: string): GroupSeat {
    if (!this.#worker) throw new DownpourError('unavailable', 'This worker has not joined yet');
    return this.#worker.seat(jobId);
  }

  async start(): Promise<void> {
    const { instance, config, metrics: registry, log, shutdown } = this.#context;
    const { verbs, evaluations, plans, membership, engine } = this.#parts;
    const untraced = (error: Error) => log.warn({ err: error }, 'The trace cannot be written');
    const trace = config.TRACE_DIR === undefined ? undefined : SegmentTrace.open(config.TRACE_DIR, instance, untraced);
    if (trace) shutdown.register('close', 'trace', () => trace.close());
    const metrics = new WorkerMetrics(registry);
    const worker = new Worker({ instance, config, verbs, evaluations, metrics, trace, log });
    this.#worker = worker;
    shutdown.register('stopIntake', 'worker', () => {
      worker.stopIntake();
      membership.update({ draining: true });
    });
    shutdown.register('finish', 'chunk in hand', () => worker.finish());
    shutdown.register('leave', 'jobs', () => worker.close());

    const { tensorflow, intraOpThreads } = await engine.info();
    await membership.join(memberOf(this.#context, { threads: intraOpThreads, tensorflow }));
    plans.watch({ onPlan: (plan) => worker.onPlan(plan), onRemoved: (jobId) => worker.onGone(jobId) });
    worker.start();
  }
}
