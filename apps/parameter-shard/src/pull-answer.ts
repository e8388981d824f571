import type { PullReply, PullRequest, ValueEncoding } from '@downpour/contracts';
import type { ParameterShard } from '@downpour/parameters';
import { BYTES_PER_ELEMENT } from '@downpour/tensor';
import type { OutgoingFrame, OutgoingTensor } from '@downpour/tensor';

/**
 * The answer to a pull, made when it is encoded: the transport reads header and tensors in one go and copies them into the reply, and no push
 * is applied meanwhile. So a reader sees one version, and the parameters are copied once.
 */
export class PullAnswer<Type extends string = PullReply['type']> implements OutgoingFrame<
  Omit<PullReply, 'type'> & { type: Type }
> {
  readonly #type: Type;
  readonly #shard: ParameterShard;
  /** Null: none are wanted. */
  readonly #encoding: ValueEncoding | null;
  readonly #ifNotVersion: number;

  /** The answer says which of its pushes are settled. */
  readonly #chunk: PullRequest['chunk'];

  constructor(
    type: Type,
    shard: ParameterShard,
    encoding: ValueEncoding | null,
    ifNotVersion = -1,
    chunk?: PullRequest['chunk'],
  ) {
    this.#type = type;
    this.#shard = shard;
    this.#encoding = encoding;
    this.#ifNotVersion = ifNotVersion;
    this.#chunk = chunk;
  }

  get unchanged(): boolean {
    return this.#encoding === null || this.#shard.version === this.#ifNotVersion;
  }

  get header(): Omit<PullReply, 'type'> & { type: Type } {
    const { jobId, shard } = this.#shard.identity;
    const settled = this.#chunk && this.#shard.ledger.settledPushes(this.#chunk);
    return {
      type: this.#type,
      v: 1,
      jobId,
      shard,
      version: this.#shard.version,
      unchanged: this.unchanged,
      ...(settled && { settled }),
    };
  }

  get tensors(): Record<string, OutgoingTensor> {
    if (this.unchanged) return {};
    return this.#shard.encoded(this.#encoding!);
  }

  /** Of the parameters that go out. */
  get bytes(): number {
    return this.unchanged ? 0 : this.#shard.parameters.length * BYTES_PER_ELEMENT[this.#encoding!];
  }
}
