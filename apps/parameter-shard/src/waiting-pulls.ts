import type { PullRequest, ShardControl } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { Clocks } from '@downpour/parameters';
import type { ParameterShard } from '@downpour/parameters';

/** A pull that is not answered by then says that it waits: whoever asks must not take a process for dead that only waits. */
const PATIENCE_MS = 2000;

interface Waiting {
  ready: () => boolean;
  resolve: () => void;
}

/** Pulls that the strategy does not answer yet: `sync` waits for the next step, `ssp` for the slowest worker. */
export class WaitingPulls {
  readonly #clocks = new Clocks();
  readonly #waiting = new Set<Waiting>();

  /** Resolves when the pull may be answered. @throws DownpourError waiting: not yet, ask again */
  async answerable(shard: ParameterShard, { after, clock }: PullRequest): Promise<void> {
    if (clock) this.#clocks.tick(clock);
    const ready = (): boolean =>
      (after === undefined || shard.isThrough(after.sequence, after.worker)) &&
      (clock === undefined || this.#keepsUp(clock.worker, shard.control));
    this.changed();
    if (ready()) return;
    await this.#wait(ready, () => whyOf(shard, after, clock !== undefined));
  }

  /** The shard has moved on, or workers have come or gone. */
  changed(): void {
    for (const waiting of this.#waiting) if (waiting.ready()) waiting.resolve();
  }

  /** The last push of a chunk has been taken in. */
  finished(worker: string, epoch: number, chunk: number): void {
    this.#clocks.finished(worker, epoch, chunk);
    this.changed();
  }

  /** Only these workers are alive. */
  keep(workers: readonly string[]): void {
    this.#clocks.keep(workers);
    this.changed();
  }

  #keepsUp(worker: string, { strategy }: ShardControl): boolean {
    return strategy.kind !== 'ssp' || this.#clocks.mayGoOn(worker, strategy.staleness);
  }

  async #wait(ready: () => boolean, why: () => string): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const inTime = await new Promise<boolean>((resolve) => {
      const waiting: Waiting = { ready, resolve: () => end(true) };
      const end = (answered: boolean): void => {
        this.#waiting.delete(waiting);
        resolve(answered);
      };
      timer = setTimeout(() => end(false), PATIENCE_MS);
      this.#waiting.add(waiting);
    });
    clearTimeout(timer);
    if (!inTime) throw new DownpourError('waiting', why());
  }
}

function whyOf(shard: ParameterShard, after: PullRequest['after'], byClock: boolean): string {
  const { control, heldCount, version, identity } = shard;
  const name = `Shard ${identity.shard} of job ${identity.jobId}`;
  if (after !== undefined && !shard.isThrough(after.sequence))
    return `${name} has not come to place ${after.sequence} of its push log yet: ask again`;
  return byClock
    ? `${name} waits for a slower worker: ask again`
    : `${name} waits for step ${version + 1}, which has ${heldCount} of ${control.quorum ?? '?'} gradients: ask again`;
}
