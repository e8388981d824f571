import { pushSchema, streams, subjects } from '@downpour/contracts';
import type { LogFollower, LoggedPush, PushLog } from '@downpour/parameters';
import { decodeFrame, requireTensor } from '@downpour/tensor';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsLink } from '../link/nats-link.ts';
import { releaseReceived } from '../link/receive-slabs.ts';
import { isStreamNotFound, messageOf } from './jetstream-errors.ts';
import { PushAssembler } from './push-assembler.ts';
import { StreamReader } from './stream-reader.ts';

/** Memory of a follower that is slower than its pushers: messages received and not handed over yet. */
const WINDOW_BYTES = 48 * 2 ** 20;

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
   * is a view that need not be aligned, and good until `onPush` has settled.
   * @throws DownpourError not-found when the job has no log (any more)
   */
  async follow(
    after: number,
    onPush: (push: LoggedPush) => void | Promise<void>,
    onBad: (reason: string, sequence: number) => void,
  ): Promise<LogFollower> {
    let onCaughtUp = (): void => undefined;
    const caughtUp = new Promise<void>((resolve) => (onCaughtUp = resolve));
    const assembler = new PushAssembler(after, onBad);
    const reader = await StreamReader.start(this.#link, {
      stream: this.#stream,
      filter: this.#subject,
      start: { after },
      missing: 'fail',
      onCaughtUp: () => onCaughtUp(),
      window: Math.min(256, Math.max(4, Math.floor(WINDOW_BYTES / this.#link.maxPayloadBytes))),
      onMessage: (message) => {
        const whole = assembler.add(message);
        if (whole === null) return;
        let push: LoggedPush;
        try {
          const { header, tensors } = decodeFrame(whole.bytes);
          push = {
            header: pushSchema.parse(header),
            gradient: requireTensor(tensors, 'gradient'),
            ...(tensors['scales'] && { scales: tensors['scales'] }),
            sequence: whole.sequence,
            firstSequence: whole.firstSequence,
          };
        } catch (error) {
          assembler.done();
          onBad(messageOf(error), message.sequence);
          return;
        }
        const working = onPush(push);
        // Applied, or dropped: whoever keeps any of it has copied it.
        const applied = (): void => {
          assembler.done();
          releaseReceived(whole.bytes);
        };
        if (working === undefined) applied();
        else return working.then(applied);
      },
    });
    return {
      caughtUp,
      safePosition: () => assembler.safePosition(),
      stop: () => reader.stop(),
    };
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
