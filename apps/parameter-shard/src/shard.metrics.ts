import type { ApplyOutcome } from '@downpour/parameters';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';

/** From a logistic regression to some hundred million parameters, in seconds. */
const SECONDS = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const STALENESS = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128];

/** What a parameter-shard process counts, over all shards that it serves. */
export class ShardMetrics {
  readonly bytesOut: Counter;
  readonly #pushes: Counter<'outcome'>;
  readonly #bytesIn: Counter;
  readonly #staleness: Histogram;
  readonly #apply: Histogram;
  readonly #pull: Histogram<'outcome'>;
  readonly #snapshots: Counter<'outcome'>;
  readonly #snapshot: Histogram;
  readonly #shards: Gauge<'state'>;
  readonly #bytesHeld: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    const seconds = (name: string, help: string) => new Histogram({ name, help, buckets: SECONDS, registers });
    this.#pushes = new Counter({
      name: 'downpour_shard_pushes_total',
      help: 'Pushes by what became of them: applied, held, late, duplicate, replayed, bad, refused',
      labelNames: ['outcome'],
      registers,
    });
    this.#bytesIn = new Counter({ name: 'downpour_shard_bytes_in_total', help: 'Bytes of gradients', registers });
    this.bytesOut = new Counter({ name: 'downpour_shard_bytes_out_total', help: 'Bytes of parameters', registers });
    this.#staleness = new Histogram({
      name: 'downpour_shard_staleness',
      help: 'Versions that a shard had moved on when a gradient was applied',
      buckets: STALENESS,
      registers,
    });
    this.#apply = seconds('downpour_shard_apply_seconds', 'Time to apply one gradient');
    this.#pull = new Histogram({
      name: 'downpour_shard_pull_seconds',
      help: 'Time from the arrival of a pull to its answer: answered, refused or failed',
      labelNames: ['outcome'],
      buckets: SECONDS,
      registers,
    });
    this.#snapshots = new Counter({
      name: 'downpour_shard_snapshots_total',
      help: 'Snapshots by what became of them: stored, failed',
      labelNames: ['outcome'],
      registers,
    });
    this.#snapshot = seconds('downpour_shard_snapshot_seconds', 'Time to store a snapshot');
    this.#shards = new Gauge({
      name: 'downpour_shard_shards',
      help: 'Shards in this process by state: loading, serving, failed',
      labelNames: ['state'],
      registers,
    });
    this.#bytesHeld = new Gauge({
      name: 'downpour_shard_bytes_held',
      help: 'Memory of parameters and update rules',
      registers,
    });
  }

  push(outcome: ApplyOutcome, bytes: number, ms: number): void {
    this.#pushes.inc({ outcome: outcome.kind });
    this.#bytesIn.inc(bytes);
    if (outcome.kind !== 'applied') return;
    this.#staleness.observe(outcome.staleness);
    this.#apply.observe(ms / 1000);
  }

  pull(outcome: string, ms: number): void {
    this.#pull.observe({ outcome }, ms / 1000);
  }

  snapshotStored(ms: number): void {
    this.#snapshots.inc({ outcome: 'stored' });
    this.#snapshot.observe(ms / 1000);
  }

  snapshotFailed(): void {
    this.#snapshots.inc({ outcome: 'failed' });
  }

  holds(shards: Record<'loading' | 'serving' | 'failed', number>, bytes: number): void {
    for (const [state, count] of Object.entries(shards)) this.#shards.set({ state }, count);
    this.#bytesHeld.set(bytes);
  }
}
