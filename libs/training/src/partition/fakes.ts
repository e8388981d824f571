import type { Segment } from '@downpour/contracts';
import type { Examples } from '../ports.ts';
import type { BackwardCall, Crossing, Exchange, PartitionCompute, SegmentCall, SegmentOutput } from './ports.ts';

/**
 * A model small enough to check by hand: each segment multiplies the sum of what it reads by its one parameter, which is at its index of the whole vector. The
 * segment that holds the loss takes the mean of its values.
 */
export class FakePartition implements PartitionCompute {
  readonly segments: readonly Segment[];
  readonly kept = new Map<string, { x: Float32Array; slope: number }>();
  mostKept = 0;
  readonly order: string[] = [];
  readonly #place: (segment: number) => number;

  constructor(segments: readonly Segment[], partition: number) {
    this.segments = segments;
    const own = segments.filter((segment) => segment.partition === partition);
    this.#place = (index) => own.findIndex((segment) => segment.index === index);
  }

  forward(call: SegmentCall): Promise<SegmentOutput> {
    const segment = this.segments[call.segment]!;
    const { begin, end, weight, microBatch, training, parameters, examples } = call;
    const x = new Float32Array(end - begin);
    if (segment.readsFeatures) for (let row = begin; row < end; row++) x[row - begin]! += examples.features[row]!;
    for (const input of call.inputs) input.forEach((value, i) => (x[i]! += value));
    const y = x.map((value) => value * parameters[this.#place(call.segment)]!);
    this.order.push(`f${call.segment}.${microBatch}`);
    if (training) this.kept.set(`${call.segment}.${microBatch}`, { x, slope: weight / (end - begin) });
    this.mostKept = Math.max(this.mostKept, this.kept.size);
    const sum = y.reduce((total, value) => total + value, 0);
    return Promise.resolve({
      outputs: segment.outputs.map(() => y.slice()),
      loss: segment.holdsLoss ? (weight * sum) / (end - begin) : 0,
      correct: segment.holdsLoss ? end - begin : 0,
      ...(segment.holdsLoss &&
        !training && { sums: { lossSum: sum, correct: null, metrics: [], examples: end - begin } }),
    });
  }

  backward({
    segment: index,
    microBatch,
    parameters,
    outputGradients,
    gradient,
  }: BackwardCall): Promise<Float32Array[]> {
    const segment = this.segments[index]!;
    const kept = this.kept.get(`${index}.${microBatch}`);
    if (!kept) throw new Error('Nothing is kept of this forward');
    const { x, slope } = kept;
    this.kept.delete(`${index}.${microBatch}`);
    this.order.push(`b${index}.${microBatch}`);
    const dy = new Float32Array(x.length).fill(segment.holdsLoss ? slope : 0);
    for (const each of outputGradients) each.forEach((value, i) => (dy[i]! += value));
    const place = this.#place(index);
    x.forEach((value, i) => (gradient[place]! += value * dy[i]!));
    return Promise.resolve(segment.inputs.map(() => dy.map((value) => value * parameters[place]!)));
  }

  forget(): Promise<void> {
    this.kept.clear();
    return Promise.resolve();
  }

  allocate(length: number): Float32Array {
    return new Float32Array(length);
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}

/** Rows of a batch of the fakes. */
export const ROWS = 12;

export const fakeExamples = (): Examples => ({
  count: ROWS,
  features: Float32Array.from({ length: ROWS }, (_, i) => (i % 5) - 1.5),
  labels: new Int32Array(ROWS),
});

/** A group in one process: messages arrive in any order. */
export class FakeExchanges {
  readonly sent: string[] = [];
  readonly #boxes = new Map<string, PromiseWithResolvers<Float32Array>>();
  #seed: number;

  constructor(seed = 1) {
    this.#seed = seed;
  }

  of(partition: number): Exchange {
    return {
      send: async (to, crossing, values) => {
        const key = keyOf(partition, to, crossing);
        this.sent.push(key);
        const copy = values.slice();
        for (let turns = this.#random(6); turns > 0; turns--) await Promise.resolve();
        this.#box(key).resolve(copy);
      },
      receive: (from, crossing) => this.#box(keyOf(from, partition, crossing)).promise,
    };
  }

  /** The chunk is given up. */
  close(error: Error): void {
    for (const box of this.#boxes.values()) box.reject(error);
  }

  #box(key: string): PromiseWithResolvers<Float32Array> {
    let box = this.#boxes.get(key);
    if (!box) this.#boxes.set(key, (box = Promise.withResolvers()));
    return box;
  }

  #random(below: number): number {
    this.#seed = (Math.imul(this.#seed, 1103515245) + 12345) >>> 0;
    return (this.#seed >>> 16) % below;
  }
}

const keyOf = (from: number, to: number, { step, microBatch, tensor, direction }: Crossing): string =>
  `${from}>${to} ${step}.${microBatch} ${direction} ${tensor}`;
