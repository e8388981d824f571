import type { JobPlan, PushHeader } from '@downpour/contracts';
import type { ParameterShard } from '../parameter-shard.ts';
import type { LoggedRecord } from '../ports.ts';
import { isPush } from '../ports.ts';

/** A recorded push log: of a job in a cluster, or in a file. */
export interface ReplaySource {
  /** What people know it by. */
  name: string;
  plan: JobPlan;
  /** A shard as it was before its first push. */
  initial(shard: number): Promise<ParameterShard>;
  /** Its pushes, and the changes between them, in the order of the log; each is good until the next is asked for. */
  records(shard: number): AsyncIterable<LoggedRecord>;
}

/**
 * One shard's fold over a recorded log, a version at a time. It is the fold that the cluster did: same code, same order, same bits. Call `close` when no more of
 * it is wanted.
 */
export class Replay {
  readonly shard: ParameterShard;
  readonly #log: AsyncIterator<LoggedRecord>;
  #records = 0;
  #last: PushHeader | null = null;

  private constructor(shard: ParameterShard, log: AsyncIterator<LoggedRecord>) {
    this.shard = shard;
    this.#log = log;
  }

  static async begin(source: ReplaySource, shard: number): Promise<Replay> {
    return new Replay(await source.initial(shard), source.records(shard)[Symbol.asyncIterator]());
  }

  /** Records read, those that were doubles or refused among them. */
  get records(): number {
    return this.#records;
  }

  /** The push that made the present version; null for the first one, and where no push did. */
  get last(): PushHeader | null {
    return this.#last;
  }

  /** Goes on to the next version. False: the log ends here. */
  async next(): Promise<boolean> {
    for (;;) {
      const { value, done } = await this.#log.next();
      if (done === true) return false;
      this.#records += 1;
      const before = this.shard.version;
      this.shard.apply(value);
      if (this.shard.version === before) continue;
      this.#last = isPush(value) ? value.header : null;
      return true;
    }
  }

  /** Goes on to a version, or to the end of the log. */
  async to(version: number): Promise<void> {
    while (this.shard.version < version && (await this.next()));
  }

  async close(): Promise<void> {
    await this.#log.return?.();
  }
}
