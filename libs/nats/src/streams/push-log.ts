import { streams, subjects } from '@downpour/contracts';
import type { LogFollower, LoggedRecord, PushLog } from '@downpour/parameters';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsLink } from '../link/nats-link.ts';
import { isStreamNotFound } from './jetstream-errors.ts';
import { PushIntake } from './push-intake.ts';
import { StreamReader } from './stream-reader.ts';

/**
 * Memory of a follower that is slower than its pushers: messages received and not handed over yet. NATS cuts a connection that is 64 MiB behind, and a
 * process that takes over another's shards replays several logs at once.
 */
const WINDOW_BYTES = 8 * 2 ** 20;

/** The push log of one shard: the subject `dp.push.<job>.<shard>` of the job's stream. */
export class JetStreamPushLog implements PushLog {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #subject: string;

  constructor(link: NatsLink, jobId: string, shard: number) {
    this.#link = link;
    this.#stream = streams.pushLog(jobId);
    this.#subject = subjects.push(jobId, shard);
  }

  /**
   * Copies of a gradient on the way: the client library's receive buffer, and one more where it came in slices. A gradient of one slice
   * is a view that need not be aligned, and good until `onRecord` has settled.
   * @throws DownpourError not-found when the job has no log (any more)
   */
  async follow(
    after: number,
    onRecord: (record: LoggedRecord) => void | Promise<void>,
    onBad: (reason: string, sequence: number) => void,
  ): Promise<LogFollower> {
    let onCaughtUp = (): void => undefined;
    const readerCaughtUp = new Promise<void>((resolve) => (onCaughtUp = resolve));
    let handled = after;
    let onHandled = (): void => undefined;
    const intake = new PushIntake({ after, onRecord, onBad, refusals: this.#link.refusals });
    const reader = await StreamReader.start(this.#link, {
      stream: this.#stream,
      filter: this.#subject,
      start: { after },
      missing: 'fail',
      onCaughtUp: () => onCaughtUp(),
      windowBytes: WINDOW_BYTES,
      onMessage: (message) => {
        const taken = (): void => {
          handled = message.sequence;
          onHandled();
        };
        const working = intake.take(message);
        if (working === undefined) taken();
        else return working.then(taken);
      },
    });
    return {
      caughtUp: readerCaughtUp.then(async () => {
        const end = await this.#end();
        if (handled >= end) return;
        await new Promise<void>((resolve) => (onHandled = () => handled >= end && resolve()));
      }),
      safePosition: (held) => intake.safePosition(held),
      stop: () => reader.stop(),
    };
  }

  /**
   * The log's end as its leader knows it: in a cluster a reader is served by any of the stream's replicas, which may lag behind what was
   * acknowledged.
   */
  async #end(): Promise<number> {
    if (!this.#link.clustered) return 0;
    const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false });
    const last = await jsm.streams.getMessage(this.#stream, { last_by_subj: this.#subject });
    return last?.seq ?? 0;
  }

  async trimmed(): Promise<boolean> {
    const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false });
    const { state } = await jsm.streams.info(this.#stream);
    return state.messages < state.last_seq;
  }

  async trim(position: number): Promise<void> {
    if (position < 1) return;
    const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false });
    await jsm.streams.purge(this.#stream, { filter: this.#subject, seq: position + 1 }).catch((error: unknown) => {
      // A job that has ended has no log to trim.
      if (!isStreamNotFound(error)) throw error;
    });
  }
}
