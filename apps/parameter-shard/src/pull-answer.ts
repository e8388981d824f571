import type { PullReply, PullRequest } from '@downpour/contracts';
import type { ParameterShard } from '@downpour/parameters';
import type { OutgoingFrame, OutgoingTensor } from '@downpour/tensor';

/**
 * The answer to a pull, made when it is encoded: the transport reads header and tensors in one go and copies them into the reply, and no push
 * is applied meanwhile. So a reader sees one version, and the parameters are copied once.
 */
export class PullAnswer implements OutgoingFrame<PullReply> {
  readonly #shard: ParameterShard;
  readonly #request: PullRequest;

  constructor(shard: ParameterShard, request: PullRequest) {
    this.#shard = shard;
    this.#request = request;
  }

  get #unchanged(): boolean {
    return this.#shard.version === this.#request.ifNotVersion;
  }

  get header(): PullReply {
    const { jobId, shard } = this.#request;
    return { type: 'pulled', v: 1, jobId, shard, version: this.#shard.version, unchanged: this.#unchanged };
  }

  get tensors(): Record<string, OutgoingTensor> {
    if (this.#unchanged) return {};
    const { dtype, data } = this.#shard.encoded(this.#request.encoding);
    return { parameters: { dtype, shape: [data.length], data } };
  }
}
