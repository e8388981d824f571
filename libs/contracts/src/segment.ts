/** Layers of one partition that can be computed without waiting for another partition in between. */
export interface Segment {
  /** Its number among all segments of the model, in an order in which each comes after those that it reads. */
  index: number;
  partition: number;
  /** Most crossings from partition to partition on a way to it. */
  level: number;
  /** In topological order. */
  layers: readonly string[];
  /** Tensors of other segments that it reads, by the layer that makes them, sorted; the model's features are not among them. */
  inputs: readonly string[];
  /** Its tensors that other segments read, by their layer, sorted. */
  outputs: readonly string[];
  readsFeatures: boolean;
  /** Holds an output layer of the model: computes (its part of) the loss from the labels. */
  holdsLoss: boolean;
}
