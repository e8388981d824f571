import type { PullReply } from '@downpour/contracts';
import type { BatchShard } from '@downpour/parameters';
import type { OutgoingFrame, OutgoingTensor } from '@downpour/tensor';

/** The answer to a pull, made when it is encoded, as PullAnswer is. */
export class PointAnswer<Type extends string = PullReply['type']> implements OutgoingFrame<
  Omit<PullReply, 'type'> & { type: Type }
> {
  readonly #type: Type;
  readonly #batch: BatchShard;
  readonly #which: 'point' | 'accepted' | null;
  readonly #ifNotVersion: number;

  /** `which` null: neither is wanted. */
  constructor(type: Type, batch: BatchShard, which: 'point' | 'accepted' | null, ifNotVersion = -1) {
    this.#type = type;
    this.#batch = batch;
    this.#which = which;
    this.#ifNotVersion = ifNotVersion;
  }

  get #version(): number {
    return this.#which === 'accepted' ? this.#batch.acceptedVersion : this.#batch.version;
  }

  get unchanged(): boolean {
    return this.#which === null || this.#version === this.#ifNotVersion;
  }

  get header(): Omit<PullReply, 'type'> & { type: Type } {
    const { jobId, shard } = this.#batch.identity;
    return { type: this.#type, v: 1, jobId, shard, version: this.#version, unchanged: this.unchanged };
  }

  get tensors(): Record<string, OutgoingTensor> {
    return this.unchanged ? {} : this.#batch.point(this.#which!);
  }

  /** Of the parameters that go out. */
  get bytes(): number {
    return this.unchanged ? 0 : this.#batch.identity.length * Float32Array.BYTES_PER_ELEMENT;
  }
}
