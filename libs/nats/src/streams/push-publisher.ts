import { DownpourError, streams, subjects } from '@downpour/contracts';
import type { ControlHeader, PushHeader } from '@downpour/contracts';
import { encodeFrame, sliceFrame } from '@downpour/tensor';
import type { OutgoingTensor } from '@downpour/tensor';
import { JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import type { ApiError } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import type { MsgHdrs } from '@nats-io/nats-core';
import type { NatsLink } from '../link/nats-link.ts';
import { RequestClient } from '../transport/request-client.ts';
import { newMessageId, sliceHeaders } from '../transport/wire.ts';
import { FlowWindow } from './flow-window.ts';
import { isFull, isStreamNotFound, messageOf } from './jetstream-errors.ts';
import { pause } from '../link/pause.ts';

/** What is pushed. */
export interface PushBody {
  /** At most so many bytes. */
  bytes: number;
  tensors: () => Record<string, OutgoingTensor>;
}

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
  readonly #requests: RequestClient;
  readonly #window: FlowWindow;

  #onWaiting: (jobId: string, why: string) => void = () => undefined;

  constructor(link: NatsLink, options: PushPublisherOptions = {}) {
    this.#link = link;
    this.#requests = new RequestClient(link);
    this.#window = new FlowWindow(options.maxOutstandingBytes ?? 128 * 2 ** 20);
  }

  /** Calls back while a push waits though there is a connection: with each try that the server refuses, or does not answer. */
  onWaiting(listener: (jobId: string, why: string) => void): void {
    this.#onWaiting = listener;
  }

  /**
   * Resolves once the record is durable: every slice acknowledged by JetStream, with the place of its last slice in the log. Retries until then, without storing a slice twice; a
   * full log and a lost connection are waited out. The tensors are asked for once, when
   * there is room to send them, and copied at once.
   * @throws DownpourError not-found when the job has no push log (any more); the signal's reason
   */
  async publish(header: PushHeader | ControlHeader, body: PushBody, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    const leave = await this.#window.enter(body.bytes, signal);
    const sent = new SentMarks();
    try {
      const { take } = this.#link.frames;
      const frame = encodeFrame(header, body.tensors(), take);
      const subject = subjects.push(header.jobId, header.shard);
      let sequence: number;
      for (;;) {
        const begunAt = clocks();
        sequence = await this.#publishSlices(subject, header.jobId, frame, sent, signal);
        // It took so long that followers may have given the first slices up: once more. Their ledger drops it if they have not.
        if (elapsedMs(begunAt) < REPUBLISH_AFTER_MS || frame.byteLength <= this.#link.maxSliceBytes) break;
      }
      // Whoever was interrupted leaves its frame to the garbage collector: a part of it may be on its way yet.
      if (sent.all) this.#link.frames.giveBack(frame);
      return sequence;
    } finally {
      leave();
    }
  }

  async #publishSlices(subject: string, jobId: string, frame: Uint8Array, sent: SentMarks, signal: AbortSignal) {
    const slices = sliceFrame(frame, this.#link.maxSliceBytes);
    const id = newMessageId();
    const places = await all(
      slices.map((slice, index) => {
        const { length } = slices;
        const head = length === 1 ? headers() : sliceHeaders(id, index, length, frame.byteLength);
        head.set('Nats-Msg-Id', `${id}.${index}`);
        return this.#store(subject, jobId, slice, head, sent, signal);
      }),
    );
    return Math.max(...places);
  }

  /** Until it is stored. A retry has the same message id, so that what was stored already is not stored again. */
  async #store(subject: string, jobId: string, slice: Uint8Array, head: MsgHdrs, sent: SentMarks, signal: AbortSignal) {
    for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS)) {
      signal.throwIfAborted();
      await this.#link.whenConnected(signal);
      try {
        const onSent = sent.begin();
        const options = { headers: head, timeoutMs: ACK_TIMEOUT_MS, signal, onSent };
        return acknowledged(await this.#requests.exchange(subject, slice, options));
      } catch (error) {
        signal.throwIfAborted();
        if (this.#link.closed)
          throw new DownpourError('unavailable', 'The connection to NATS is closed', { cause: error });
        if (!isFull(error) && (await this.#logIsGone(jobId)))
          throw new DownpourError('not-found', `Job ${jobId} has no push log (any more)`, { cause: error });
        if (this.#link.connected) this.#onWaiting(jobId, waitsFor(jobId, error));
        await pause(backoffMs, signal);
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

const waitsFor = (jobId: string, error: unknown): string =>
  isFull(error)
    ? `room in the push log of job ${jobId}: NATS says "${messageOf(error)}"`
    : `NATS to store a push of job ${jobId}: it says "${messageOf(error)}"`;

/** Its place in the stream. @throws JetStreamApiError when the server would not store it */
const acknowledged = (bytes: Uint8Array): number => {
  const answer = JSON.parse(Buffer.from(bytes).toString()) as { error?: ApiError; stream?: string; seq?: number };
  if (answer.error !== undefined) throw new JetStreamApiError(answer.error);
  if (answer.stream === undefined || answer.seq === undefined)
    throw new Error('This is no acknowledgement of JetStream');
  return answer.seq;
};

/** Whether everything that was begun to be sent has left the process. */
class SentMarks {
  #underWay = 0;

  begin(): () => void {
    this.#underWay += 1;
    return () => (this.#underWay -= 1);
  }

  get all(): boolean {
    return this.#underWay === 0;
  }
}

/** As Promise.all, but settles only when all have: nothing goes on in the background after a failure. */
const all = async <T>(promises: Promise<T>[]): Promise<T[]> =>
  (await Promise.allSettled(promises)).map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });

/** The monotonic clock stands still while a laptop sleeps, the wall clock can be set: the longer of the two is safe. */
const clocks = (): { monotonic: number; wall: number } => ({ monotonic: performance.now(), wall: Date.now() });
const elapsedMs = (begun: { monotonic: number; wall: number }): number =>
  Math.max(performance.now() - begun.monotonic, Date.now() - begun.wall);
