import type { WorkloadName } from '../workloads.ts';
import { Child } from './child.ts';

export interface ComputeRequest {
  work: 'compiled' | 'fit' | 'turns' | 'soak';
  workload: WorkloadName;
  windowMs: number;
  /** Of a soak. */
  steps: number;
}

/** What one process computed in a window. */
export interface Computed {
  examples: number;
  seconds: number;
  cpuSeconds: number;
}

/** A process that computes alone, with TensorFlow in its main thread. */
export class TensorFlowChild {
  readonly stop: () => Promise<void>;
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
    this.stop = child.stop;
  }

  /** @param threads of one TensorFlow op; 'default': what TensorFlow takes by itself, all cores */
  static async start(threads: number | 'default'): Promise<TensorFlowChild> {
    const env =
      threads === 'default'
        ? { TF_NUM_INTRAOP_THREADS: '0', TF_NUM_INTEROP_THREADS: '0' }
        : { TF_NUM_INTRAOP_THREADS: String(threads), TF_NUM_INTEROP_THREADS: '-1' };
    return new TensorFlowChild(await Child.start('tensorflow', env));
  }

  /** Steps of the bare compiled graph for `windowMs`. */
  compiled(workload: WorkloadName, windowMs: number): Promise<Computed> {
    return this.#ask('compiled', workload, windowMs) as Promise<Computed>;
  }

  /** tfjs-node's model.fit for `windowMs`. */
  fit(workload: WorkloadName, windowMs: number): Promise<Computed> {
    return this.#ask('fit', workload, windowMs) as Promise<Computed>;
  }

  /** Op by op and compiled by turns; medians. */
  turns(workload: WorkloadName, windowMs: number): Promise<{ eagerMs: number; compiledMs: number }> {
    return this.#ask('turns', workload, windowMs) as Promise<{ eagerMs: number; compiledMs: number }>;
  }

  /** So many steps more, then what memory holds. */
  soak(workload: WorkloadName, steps: number): Promise<{ tensors: number; rssBytes: number }> {
    return this.#ask('soak', workload, 0, steps) as Promise<{ tensors: number; rssBytes: number }>;
  }

  #ask(work: ComputeRequest['work'], workload: WorkloadName, windowMs: number, steps = 0): Promise<unknown> {
    return this.#child.ask({ work, workload, windowMs, steps } satisfies ComputeRequest);
  }
}
