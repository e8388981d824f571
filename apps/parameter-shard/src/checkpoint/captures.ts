import type { CaptureShardReply, ReadCaptureReply, ReadCaptureRequest } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { CapturedShard } from '@downpour/parameters';
import type { OutgoingFrame } from '@downpour/tensor';

/** A copy that nobody has read of for so long is given up: whoever wanted it has gone. */
const ABANDONED_MS = 60_000;

interface Held extends CapturedShard {
  /** Job and shard. */
  of: string;
  timer: NodeJS.Timeout;
}

/** Copies of shards that are being written to checkpoints: at most one of each shard, and none for long. */
export class Captures {
  readonly #held = new Map<string, Held>();

  get count(): number {
    return this.#held.size;
  }

  add(name: string, jobId: string, captured: CapturedShard): { header: CaptureShardReply } {
    const of = `${jobId}/${captured.description.shard}`;
    for (const [other, held] of this.#held) if (held.of === of) this.#drop(other);
    const timer = setTimeout(() => this.#drop(name), ABANDONED_MS).unref();
    this.#held.set(name, { ...captured, of, timer });
    const { description: shard, slots } = captured;
    return { header: { type: 'shardCaptured', v: 1, slots, shard } };
  }

  /** @throws DownpourError not-found when the copy is gone, invalid-request when it has no such values */
  read({ capture, vector, begin, end, release }: ReadCaptureRequest): OutgoingFrame<ReadCaptureReply> {
    const held = this.#held.get(capture);
    if (held === undefined) throw new DownpourError('not-found', `There is no copy ${capture} of a shard (any more)`);
    const values = held.vectors[vector];
    if (values === undefined || begin > end || end > values.length)
      throw new DownpourError('invalid-request', `Vector ${vector} of the copy has no values ${begin} to ${end}`);
    held.timer.refresh();
    if (release) this.#drop(capture);
    const header = { type: 'captureRead', v: 1 } as const;
    return {
      header,
      tensors: { values: { dtype: 'float32', shape: [end - begin], data: values.subarray(begin, end) } },
    };
  }

  clear(): void {
    for (const name of [...this.#held.keys()]) this.#drop(name);
  }

  #drop(name: string): void {
    clearTimeout(this.#held.get(name)?.timer);
    this.#held.delete(name);
  }
}
