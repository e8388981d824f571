import type { ShardEvent } from '@downpour/contracts';
import type { Logger } from '@downpour/platform';
import type { ShardPorts } from './ports.ts';
import type { Served } from './served.ts';
import type { ShardHost } from './shard-host.ts';
import type { ShardMetrics } from './shard.metrics.ts';

/** A shard without news says that it is there all the same: sooner than the coordinator asks (CoordinatorOptions.quietShardMs). */
const QUIET_MS = 4000;

export interface ShardReporterParts {
  host: ShardHost;
  ports: ShardPorts;
  metrics: ShardMetrics;
  log: Logger;
  intervalMs: number;
  /** Memory and number of the shards have changed. */
  onLoad?: (load: { shards: number; bytes: number }) => void;
}

/** Publishes what shards have done: at an interval, and at once what others wait for. Everything is cumulative, so a lost event costs nothing. */
export class ShardReporter {
  readonly #parts: ShardReporterParts;
  readonly #told = new WeakMap<Served, { text: string; at: number }>();
  #timer: NodeJS.Timeout | undefined;
  #load = '';

  constructor(parts: ShardReporterParts) {
    this.#parts = parts;
    parts.host.onNews((shard) => this.#tellNews(shard));
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), this.#parts.intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#tick();
  }

  #tick(): void {
    const { host, ports, metrics, onLoad } = this.#parts;
    const shards = { loading: 0, serving: 0, failed: 0 };
    let bytes = 0;
    const { holds } = host.fence;
    for (const shard of host.shards()) {
      shard.tick();
      shards[shard.state] += 1;
      bytes += shard.bytes;
      const event = shard.event();
      // Somebody newer may report by now.
      if (holds && shard.owned && this.#isNews(shard, event)) ports.report(shard.jobId, event);
    }
    metrics.holds(shards, bytes);
    const load = { shards: shards.loading + shards.serving, bytes };
    if (JSON.stringify(load) === this.#load) return;
    this.#load = JSON.stringify(load);
    onLoad?.(load);
  }

  #isNews(shard: Served, event: ShardEvent): boolean {
    const text = JSON.stringify({ ...event, at: '' });
    const told = this.#told.get(shard);
    const now = performance.now();
    if (told?.text === text && now - told.at < QUIET_MS) return false;
    this.#told.set(shard, { text, at: now });
    return true;
  }

  #tellNews(shard: Served): void {
    // Told at the interval once it is certain that it is still ours.
    if (!shard.owned || !this.#parts.host.fence.holds) return;
    const event = shard.event();
    this.#isNews(shard, event);
    this.#parts.ports
      .publish(shard.jobId, event)
      // The next event at the interval says the same.
      .catch((error: unknown) => this.#parts.log.warn({ err: error }, "A shard's news could not be told"));
  }
}
