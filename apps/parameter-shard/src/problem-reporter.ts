import type { JobEvent } from '@downpour/contracts';
import type { Logger } from '@downpour/platform';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ShardPorts } from './ports.ts';

/** One kind of trouble is told so often at most: a store that is away fails every attempt. */
const REPEAT_MS = 10_000;
const RETRY_MS = 1000;

export type ProblemCode =
  'shard-loading' | 'bad-record' | 'refused-push' | 'bad-gradient' | 'damaged-snapshot' | 'snapshot-failed';

interface Chunk {
  epoch: number;
  chunk: number;
}

/** Tells the job what goes wrong with one shard. */
export class ProblemReporter {
  readonly #jobId: string;
  readonly #instance: string;
  readonly #ports: ShardPorts;
  readonly #log: Logger;
  readonly #told = new Map<ProblemCode, { at: number; untold: number }>();

  constructor(jobId: string, instance: string, ports: ShardPorts, log: Logger) {
    this.#jobId = jobId;
    this.#instance = instance;
    this.#ports = ports;
    this.#log = log;
  }

  /** The job goes on. */
  tell(code: ProblemCode, message: string, chunk: Chunk | null = null): void {
    const now = performance.now();
    const told = this.#told.get(code);
    if (told !== undefined && now - told.at < REPEAT_MS) {
      told.untold += 1;
      return;
    }
    const more = told === undefined || told.untold === 0 ? '' : ` (and ${told.untold} more like it)`;
    this.#told.set(code, { at: now, untold: 0 });
    this.#log.warn({ code }, message + more);
    this.#ports.report(this.#jobId, this.#event(code, message + more, false, chunk));
  }

  /** The job cannot go on; said until it is stored, but not by one that `isOwner` finds has been replaced (the signal is aborted then). */
  async fatal(
    message: string,
    signal: AbortSignal,
    isOwner: (signal: AbortSignal) => Promise<void>,
    { code = 'shard-lost', chunk = null }: { code?: 'shard-lost' | 'bad-gradient'; chunk?: Chunk | null } = {},
  ): Promise<void> {
    this.#log.error(message);
    const event = this.#event(code, message, true, chunk);
    while (!signal.aborted) {
      try {
        await isOwner(signal);
        return await this.#ports.publish(this.#jobId, event);
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn({ err: error }, 'The failure of a shard could not be told: trying again');
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #event(code: string, message: string, fatal: boolean, chunk: Chunk | null): JobEvent {
    return { type: 'problem', at: new Date().toISOString(), instance: this.#instance, code, message, fatal, chunk };
  }
}
