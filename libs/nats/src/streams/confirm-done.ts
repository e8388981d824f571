import { DownpourError } from '@downpour/contracts';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsLink } from '../link/nats-link.ts';
import { pause } from '../link/pause.ts';
import { isMessageNotFound } from './jetstream-errors.ts';

const ACK_TIMEOUT_MS = 2000;
const TRIES = 10;
const TRIES_BY_ACK = 2;
const CONNECT_PATIENCE_MS = 20_000;

export interface DoneTask {
  stream: string;
  /** Subject of acknowledgements. */
  reply: string;
  sequence: number;
  data: Uint8Array;
}

/**
 * Sees to it that a task of a work-queue stream is never given out again, across a lost connection. A server that was killed may have
 * forgotten that it gave the task out, and then ignores acknowledgements for ever: the task is taken out of the stream itself, which means the same.
 * @throws DownpourError unavailable: it may be given out again
 */
export const confirmDone = async (link: NatsLink, task: DoneTask): Promise<void> => {
  for (let tries = 1; ; tries++) {
    try {
      await link.whenConnected(AbortSignal.timeout(CONNECT_PATIENCE_MS));
      if (tries <= TRIES_BY_ACK) await link.nc.request(task.reply, '+ACK', { timeout: ACK_TIMEOUT_MS });
      else await erase(link, task);
      return;
    } catch (cause) {
      if (tries >= TRIES || link.closed)
        throw new DownpourError('unavailable', `${task.stream} did not confirm that a task is done`, { cause });
      await pause(100 * tries);
    }
  }
};

const erase = async (link: NatsLink, { stream, sequence, data }: DoneTask): Promise<void> => {
  const jsm = await jetstreamManager(link.nc, { checkAPI: false, timeout: ACK_TIMEOUT_MS });
  try {
    const stored = await jsm.streams.getMessage(stream, { seq: sequence });
    // A stream that was made anew counts from one again: what stands there now is another task.
    if (stored === null || Buffer.compare(stored.data, data) !== 0) return;
    await jsm.streams.deleteMessage(stream, sequence, false);
  } catch (error) {
    if (!isMessageNotFound(error)) throw error;
  }
};
