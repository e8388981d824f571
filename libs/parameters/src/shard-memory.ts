/** Regions begin at multiples of this: a cache line, and more than any SIMD lane needs. */
const ALIGNMENT_BYTES = 64;

/**
 * All numbers of a shard in one block of memory: parameters, the update rule's slots, and room for a gradient. A WebAssembly kernel can be
 * given this block as its memory and work in place on it.
 */
export class ShardMemory {
  /** float32 [length] */
  readonly parameters: Float32Array;
  /** float32 [trainableLength] each: state has no rule. */
  readonly slots: readonly Float32Array[];
  /** float32 [length]; costs no memory until it is written to. */
  readonly gradient: Float32Array;
  /** Bytes that parameters and slots take. */
  readonly bytes: number;

  constructor(length: number, trainableLength: number, slotCount: number) {
    const lengths = [length, ...new Array<number>(slotCount).fill(trainableLength), length];
    const offsets: number[] = [];
    let total = 0;
    for (const values of lengths) {
      offsets.push(total);
      total += Math.ceil((values * Float32Array.BYTES_PER_ELEMENT) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    }
    const buffer = new ArrayBuffer(total);
    const regions = lengths.map((values, index) => new Float32Array(buffer, offsets[index], values));
    this.parameters = regions[0]!;
    this.slots = regions.slice(1, -1);
    this.gradient = regions.at(-1)!;
    this.bytes = offsets.at(-1)!;
  }
}
