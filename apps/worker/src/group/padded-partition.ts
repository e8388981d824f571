import { setTimeout as sleep } from 'node:timers/promises';
import type { ModelCut } from '@downpour/contracts';
import type { BackwardCall, PartitionCompute, SegmentCall, SegmentOutput } from '@downpour/training';

/** Of a layer's time, what its forward takes: backward computes two products for each one of it. */
const FORWARD_SHARE = 1 / 3;

/**
 * As PaddedReplica for a partition: the step of a whole batch of the whole model would take `paddingMs`; each segment takes its measured share of that, for its micro-batch, and no less.
 */
export class PaddedPartition implements PartitionCompute {
  readonly #compute: PartitionCompute;
  /** Of each segment, forward and backward of a whole batch. */
  readonly #ms: number[];
  readonly #weights = new Map<string, number>();

  constructor(compute: PartitionCompute, { nodes }: ModelCut, paddingMs: number) {
    this.#compute = compute;
    const costs = new Map(nodes.map(({ layer, costMs }) => [layer, costMs]));
    const costOf = (layers: readonly string[]) => layers.reduce((sum, layer) => sum + (costs.get(layer) ?? 0), 0);
    const total = costOf([...costs.keys()]) || 1;
    this.#ms = compute.segments.map(({ layers }) => (paddingMs * costOf(layers)) / total);
  }

  get segments(): PartitionCompute['segments'] {
    return this.#compute.segments;
  }

  async forward(call: SegmentCall): Promise<SegmentOutput> {
    this.#weights.set(`${call.segment}.${call.microBatch}`, call.weight);
    const padding = call.training ? this.#ms[call.segment]! * call.weight * FORWARD_SHARE : 0;
    const [output] = await Promise.all([this.#compute.forward(call), sleep(padding)]);
    return output;
  }

  async backward(call: BackwardCall): Promise<Float32Array[]> {
    const weight = this.#weights.get(`${call.segment}.${call.microBatch}`) ?? 0;
    const padding = this.#ms[call.segment]! * weight * (1 - FORWARD_SHARE);
    const [gradients] = await Promise.all([this.#compute.backward(call), sleep(padding)]);
    return gradients;
  }

  forget(): Promise<void> {
    return this.#compute.forget();
  }

  allocate(length: number): Float32Array {
    return this.#compute.allocate(length);
  }

  dispose(): Promise<void> {
    return this.#compute.dispose();
  }
}
