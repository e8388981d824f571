import type { ParameterClient, PulledParameters, PullOptions } from '../ports.ts';
import type { ChunkKey, Pace } from './pace.ts';

/**
 * Synchronous SGD (Chen et al. 2016), and local SGD: a fetch is answered when the step that the replica's last push is for is over. So each gradient is computed on
 * parameters that no other gradient of its step has changed, and a replica has one in each step. Which pushes of a chunk came too late, the answer after the last one says.
 */
export class StepPace implements Pace {
  readonly inStep = true;
  readonly #client: ParameterClient;
  readonly #scratch: () => PulledParameters;
  #last: Promise<readonly number[]> | null = null;
  #fetched: PullOptions['settled'] = [];

  constructor(client: ParameterClient, scratch: () => PulledParameters) {
    this.#client = client;
    this.#scratch = scratch;
  }

  async pullOptions({ epoch, chunk }: ChunkKey): Promise<PullOptions> {
    this.#fetched = [];
    return { after: await this.#places(), chunk: { epoch, chunk }, settled: this.#fetched };
  }

  pushed(durable: Promise<readonly number[]>): void {
    this.#last = durable;
  }

  settled(): ReadonlySet<number> {
    const [first = [], ...others] = this.#fetched ?? [];
    return new Set(first.filter((push) => others.every((each) => each.includes(push))));
  }

  async confirm(chunk: ChunkKey, pushes: number, signal: AbortSignal): Promise<boolean> {
    await this.#client.pull(this.#scratch(), signal, await this.pullOptions(chunk));
    return this.settled().size === pushes;
  }

  /** Where the last push is in the logs. One that failed is told by its own chunk, and nobody waits for it. */
  async #places(): Promise<readonly number[]> {
    const places = await this.#last?.catch(() => []);
    return places ?? [];
  }
}
