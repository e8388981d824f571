import type { ChunkReport } from '@downpour/training';
import type { Registry } from 'prom-client';
import { Counter, Histogram } from 'prom-client';
import type { PartitionTime } from './group/ports.ts';

/** From a small MLP's step to a large network's, in seconds. */
const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

/** What a worker measures of itself, at /metrics. */
export class WorkerMetrics {
  readonly #steps: Counter;
  readonly #examples: Counter;
  readonly #chunks: Counter<'outcome'>;
  readonly #evaluations: Counter<'outcome'>;
  readonly #durations: Record<'step' | 'pull' | 'push', Histogram>;
  readonly #chunkWait: Histogram;
  readonly #segments: Counter<'partition' | 'direction'>;

  constructor(registry: Registry) {
    const registers = [registry];
    const seconds = (name: string, help: string) => new Histogram({ name, help, buckets: SECONDS, registers });
    this.#steps = new Counter({ name: 'downpour_worker_steps_total', help: 'Training steps computed', registers });
    this.#examples = new Counter({ name: 'downpour_worker_examples_total', help: 'Examples trained', registers });
    this.#chunks = new Counter({
      name: 'downpour_worker_chunks_total',
      help: 'Chunks by what became of them: done, given-back, failed',
      labelNames: ['outcome'],
      registers,
    });
    this.#evaluations = new Counter({
      name: 'downpour_worker_evaluations_total',
      help: 'Evaluations by what became of them: done, failed',
      labelNames: ['outcome'],
      registers,
    });
    this.#durations = {
      step: seconds('downpour_worker_step_seconds', 'Time of one training step, there and back to TensorFlow'),
      pull: seconds('downpour_worker_pull_seconds', 'Time to fetch the parameters of all shards'),
      push: seconds('downpour_worker_push_seconds', 'Time until a gradient was durable on all shards'),
    };
    this.#chunkWait = seconds('downpour_worker_chunk_wait_seconds', 'Time without a chunk before one came');
    this.#segments = new Counter({
      name: 'downpour_worker_partition_seconds_total',
      help: 'Time that a partition of a model was computing, by direction: forward, backward. Its rate is the share of time in which it was busy',
      labelNames: ['partition', 'direction'],
      registers,
    });
  }

  observe = (what: 'step' | 'pull' | 'push', ms: number): void => this.#durations[what].observe(ms / 1000);

  chunkWait(ms: number): void {
    this.#chunkWait.observe(ms / 1000);
  }

  segment({ partition, direction, ms }: PartitionTime): void {
    this.#segments.inc({ partition, direction }, ms / 1000);
  }

  trained(report: ChunkReport): void {
    this.#steps.inc(report.steps);
    this.#examples.inc(report.examples);
  }

  chunk(outcome: 'done' | 'given-back' | 'failed'): void {
    this.#chunks.inc({ outcome });
  }

  evaluation(outcome: 'done' | 'failed'): void {
    this.#evaluations.inc({ outcome });
  }
}
