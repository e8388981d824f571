import { DownpourError, streams, subjects } from '@downpour/contracts';
import type { PushHeader } from '@downpour/contracts';
import { encodeFrame, sliceFrame } from '@downpour/tensor';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamClient } from '@nats-io/jetstream';
import type { NatsLink } from '../link/nats-link.ts';
import { newMessageId, sliceHeaders } from '../transport/wire.ts';
import { FlowWindow } from './flow-window.ts';
import { isFull, isStreamNotFound } from './jetstream-errors.ts';
import { pause } from '../link/pause.ts';

export interface PushPublisherOptions {
  /** Bytes of frames sent and not yet durable, over all jobs and shards of this process; more wait. @default 128 MiB */
  maxOutstandingBytes?: number;
}

const ACK_TIMEOUT_MS = 5000;
/** Half of ABANDONED_AFTER_MS: a follower that gives a push up must be sure that it was sent again. */
const REPUBLISH_AFTER_MS = 60_000;
const FIRST_BACKOFF_MS = 20;
const MAX_BACKOFF_MS = 1000;

/** Writes pushes to the push logs of their jobs. */
export class PushPublisher {
  readonly #link: NatsLink;
  readonly #js: JetStreamClient;
  readonly #window: FlowWindow;

  constructor(link: NatsLink, options: PushPublisherOptions = {}) {
    this.#link = link;
    this.#js = jetstream(link.nc, { timeout: ACK_TIMEOUT_MS });
    this.#window = new FlowWindow(options.maxOutstandingBytes ?? 128 * 2 ** 20);
  }

  /**
   * Resolves once the push is durable: every slice acknowledged by JetStream. Retries until then, without storing a slice twice; a
   * full log and a lost connection are waited out. `parts` are the shard's key ranges of the gradient, in order: read until it resolves.
   * @throws DownpourError not-found when the job has no push log (any more); the signal's reason
   */
  async publish(header: PushHeader, parts: readonly Float32Array[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const leave = await this.#window.enter(length * 4, signal);
    try {
      // Copies of a gradient: this one, and the one into the client library's outbound buffer.
      const frame = encodeFrame(header, { gradient: { dtype: 'float32', shape: [length], data: parts } });
      const subject = subjects.push(header.jobId, header.shard);
      for (;;) {
        const begunAt = clocks();
        await this.#publishSlices(subject, header.jobId, frame, signal);
        if (elapsedMs(begunAt) < REPUBLISH_AFTER_MS || frame.byteLength <= this.#link.maxSliceBytes) return;
        // It took so long that followers may have given the first slices up. Their ledger drops it if they have not.
      }
    } finally {
      leave();
    }
  }

  async #publishSlices(subject: string, jobId: string, frame: Uint8Array, signal: AbortSignal): Promise<void> {
    const slices = sliceFrame(frame, this.#link.maxSliceBytes);
    const id = newMessageId();
    if (slices.length === 1) return this.#store(subject, jobId, frame, id, 0, 1, frame.byteLength, signal);
    await all(
      slices.map((slice, index) =>
        this.#store(subject, jobId, slice, id, index, slices.length, frame.byteLength, signal),
      ),
    );
  }

  /** Until it is stored. A retry has the same message id, so that what was stored already is not stored again. */
  async #store(
    subject: string,
    jobId: string,
    slice: Uint8Array,
    id: string,
    index: number,
    count: number,
    totalBytes: number,
    signal: AbortSignal,
  ): Promise<void> {
    for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS)) {
      signal.throwIfAborted();
      await this.#link.whenConnected(signal);
      let off = (): void => undefined;
      try {
        const headers = count === 1 ? undefined : sliceHeaders(id, index, count, totalBytes);
        const stored = this.#js.publish(subject, slice, { msgID: `${id}.${index}`, ...(headers && { headers }) });
        // An acknowledgement that was under way when the connection broke will never come.
        const broken = new Promise<never>((_resolve, reject) => {
          const onAbort = (): void => reject(signal.reason as Error);
          const offStatus = this.#link.onStatus(() => reject(new Error('the connection broke')));
          signal.addEventListener('abort', onAbort);
          off = () => {
            offStatus();
            signal.removeEventListener('abort', onAbort);
          };
        });
        stored.catch(() => undefined);
        broken.catch(() => undefined);
        await Promise.race([stored, broken]);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (this.#link.closed)
          throw new DownpourError('unavailable', 'The connection to NATS is closed', { cause: error });
        if (!isFull(error) && (await this.#logIsGone(jobId)))
          throw new DownpourError('not-found', `Job ${jobId} has no push log (any more)`, { cause: error });
        await pause(backoffMs, signal);
      } finally {
        off();
      }
    }
  }

  async #logIsGone(jobId: string): Promise<boolean> {
    if (!this.#link.connected) return false;
    try {
      const jsm = await jetstreamManager(this.#link.nc, { checkAPI: false, timeout: ACK_TIMEOUT_MS });
      await jsm.streams.info(streams.pushLog(jobId));
      return false;
    } catch (error) {
      return isStreamNotFound(error);
    }
  }
}

/** As Promise.all, but settles only when all have: nothing goes on in the background after a failure. */
const all = async (promises: Promise<void>[]): Promise<void> => {
  for (const outcome of await Promise.allSettled(promises)) if (outcome.status === 'rejected') throw outcome.reason;
};

/** The monotonic clock stands still while a laptop sleeps, the wall clock can be set: the longer of the two is safe. */
const clocks = (): { monotonic: number; wall: number } => ({ monotonic: performance.now(), wall: Date.now() });
const elapsedMs = (begun: { monotonic: number; wall: number }): number =>
  Math.max(performance.now() - begun.monotonic, Date.now() - begun.wall);
