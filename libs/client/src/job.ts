import type { JobEvent, JobRecord } from '@downpour/contracts';
import type { GatewayClient } from './gateway-client.ts';
import { JobError } from './job-error.ts';
import { modelFiles } from './model-files.ts';
import type { ModelFiles } from './model-files.ts';
import { watchEvents } from './watch-events.ts';
import type { WatchOptions } from './watch-events.ts';

/** A job of the cluster, of this process or of another. */
export class Job {
  readonly id: string;
  readonly #gateway: GatewayClient;

  constructor(id: string, gateway: GatewayClient) {
    this.id = id;
    this.#gateway = gateway;
  }

  /** As it stands at present. */
  record(): Promise<JobRecord> {
    return this.#gateway.job(this.id);
  }

  /** What happens in it, from its first event to its end; goes on when a gateway is replaced (watch-events.ts). */
  events(options: WatchOptions = {}): AsyncGenerator<JobEvent> {
    return watchEvents((after, signal) => this.#gateway.openEvents(this.id, after, signal), options);
  }

  /** Waits for the end. @throws JobError when it failed or was cancelled */
  async succeeded(
    options: WatchOptions & { onEvent?: ((event: JobEvent) => void) | undefined } = {},
  ): Promise<JobRecord> {
    for await (const event of this.events(options)) options.onEvent?.(event);
    const record = await this.#gateway.untilTerminal(this.id, options.signal ? { signal: options.signal } : {});
    if (record.state !== 'succeeded') throw new JobError(record);
    return record;
  }

  /** The trained model, once it has succeeded. @throws GatewayError 409 before */
  async model(): Promise<ModelFiles> {
    return modelFiles(await this.#gateway.model(this.id));
  }

  /** @throws GatewayError 409 when it has ended otherwise */
  cancel(): Promise<void> {
    return this.#gateway.cancel(this.id);
  }
}
