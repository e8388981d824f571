import { buckets, DownpourError } from '@downpour/contracts';
import type { ObjectInfo } from '@nats-io/obj';
import { createHash } from 'node:crypto';
import type { NatsLink } from '../link/nats-link.ts';
import { StreamReader } from '../streams/stream-reader.ts';
import type { StreamMessage } from '../streams/stream-reader.ts';

/** Chunks that may have come and not been taken: with 512 KiB each, what a slow reader costs. */
const WINDOW = 8;
/** A reader whose server has gone, or whose object is removed under it, would wait for ever. */
const STALL_MS = 20_000;

/**
 * An object's bytes as they are stored, no faster than they are taken; a lost connection is gone over. (The client library's own reader hands on what comes as
 * fast as it comes: a slow download would hold the whole object in memory.)
 * @throws DownpourError unavailable when nothing comes any more; internal at its end when the bytes do not match the digest
 */
export async function* readChunks(
  link: NatsLink,
  { name, nuid, size, digest }: Pick<ObjectInfo, 'name' | 'nuid' | 'size' | 'digest'>,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let left = size;
  if (size > 0) {
    const hand = new Hand();
    const reader = await StreamReader.start(link, {
      stream: `OBJ_${buckets.objects}`,
      filter: `$O.${buckets.objects}.C.${nuid}`,
      start: { after: 0 },
      missing: 'fail',
      window: WINDOW,
      onMessage: (message) => hand.offer(message),
    });
    try {
      while (left > 0) {
        const { data } = await hand.take(name);
        left -= data.byteLength;
        if (left < 0) break;
        hash.update(data);
        yield data;
      }
    } finally {
      hand.close();
      await reader.stop();
    }
  }
  if (left !== 0 || hash.digest('base64url') !== digest.replace('SHA-256=', '').replaceAll('=', ''))
    throw new DownpourError('internal', `Object ${name} is corrupt: its bytes do not match its digest`);
}

/** One message at a time from whom it comes to who takes it. */
class Hand {
  #offered: StreamMessage | null = null;
  #taken: () => void = () => undefined;
  #arrived: () => void = () => undefined;
  #closed = false;

  /** Resolves once it has been taken. */
  offer(message: StreamMessage): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#offered = message;
    this.#arrived();
    return new Promise((resolve) => (this.#taken = resolve));
  }

  async take(name: string): Promise<StreamMessage> {
    if (this.#offered === null) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve, reject) => {
        this.#arrived = resolve;
        const why = `Object ${name} came to a halt for ${STALL_MS} ms`;
        timer = setTimeout(() => reject(new DownpourError('unavailable', why)), STALL_MS);
      }).finally(() => clearTimeout(timer));
    }
    const message = this.#offered!;
    this.#offered = null;
    this.#taken();
    return message;
  }

  close(): void {
    this.#closed = true;
    this.#taken();
  }
}
