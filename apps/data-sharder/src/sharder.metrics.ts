import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { CacheObserver } from './dataset-cache.ts';

/** What a data-sharder counts. */
export class SharderMetrics implements CacheObserver {
  readonly examplesServed: Counter;
  readonly bytesServed: Counter;
  readonly chunksEnqueued: Counter;
  readonly #hits: Counter;
  readonly #misses: Counter;
  readonly #held: Gauge;
  readonly #loads: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = (name: string, help: string): Counter => new Counter({ name, help, registers });
    this.examplesServed = counter('downpour_examples_served_total', 'Examples sent to workers');
    this.bytesServed = counter('downpour_example_bytes_served_total', 'Bytes of examples sent to workers');
    this.chunksEnqueued = counter(
      'downpour_chunks_enqueued_total',
      'Chunk tasks put into work queues, repeats included',
    );
    this.#hits = counter('downpour_dataset_cache_hits_total', 'Requests that found their data set in memory');
    this.#misses = counter('downpour_dataset_cache_misses_total', 'Data sets that had to be read');
    this.#held = new Gauge({ name: 'downpour_dataset_cache_bytes', help: 'Memory of loaded data sets', registers });
    this.#loads = new Histogram({
      name: 'downpour_dataset_load_seconds',
      help: 'Time to read a data set',
      buckets: [0.1, 0.3, 1, 3, 10, 30, 100],
      registers,
    });
  }

  hit(): void {
    this.#hits.inc();
  }
  miss(): void {
    this.#misses.inc();
  }
  loaded(ms: number): void {
    this.#loads.observe(ms / 1000);
  }
  bytes(held: number): void {
    this.#held.set(held);
  }
}
