import type { Segment } from '@downpour/contracts';

/** Who makes and who reads a tensor that leaves its segment. */
export interface Wire {
  tensor: string;
  maker: Segment;
  /** Segments of this partition that read it. */
  readers: Segment[];
  /** Other partitions that read it, where this one makes it: each is sent it once. */
  peers: number[];
}

/** The segments of one partition and the tensors that they make or read. */
export class Dataflow {
  readonly partition: number;
  readonly own: readonly Segment[];
  readonly wires: ReadonlyMap<string, Wire>;
  /** Micro-batches that may be in flight: so many that the last partition is busy, and no more, for each is kept until its backward (1F1B, Narayanan et al. 2019). */
  readonly inFlight: number;

  constructor(segments: readonly Segment[], partition: number) {
    this.partition = partition;
    this.own = segments.filter((segment) => segment.partition === partition);
    const wires = new Map<string, Wire>();
    for (const maker of segments)
      for (const tensor of maker.outputs) {
        const readers = segments.filter(({ inputs }) => inputs.includes(tensor));
        const made = maker.partition === partition;
        const own = readers.filter((reader) => reader.partition === partition);
        if (!made && own.length === 0) continue;
        const others = readers.map((reader) => reader.partition).filter((other) => other !== partition);
        wires.set(tensor, { tensor, maker, readers: own, peers: made ? [...new Set(others)] : [] });
      }
    this.wires = wires;
    const depth = 1 + Math.max(...segments.map(({ level }) => level));
    this.inFlight = Math.max(1, depth - Math.min(...this.own.map(({ level }) => level)));
  }

  wire(tensor: string): Wire {
    const wire = this.wires.get(tensor);
    if (!wire) throw new Error(`No segment makes ${tensor}`);
    return wire;
  }
}
