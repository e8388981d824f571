import { encodeFrame } from '@downpour/tensor';
import type { OutgoingTensor } from '@downpour/tensor';
import { mutateBytes, mutateValue, SeededRandom } from '@downpour/testing';

export interface FrameSample {
  header: unknown;
  tensors?: Record<string, OutgoingTensor>;
}

/** Frames with mistakes, by a seed: in their bytes, in their headers, in their tensors. */
export class MutatedFrames {
  readonly random: SeededRandom;
  readonly #encoded: Uint8Array[];
  readonly #samples: readonly FrameSample[];

  constructor(seed: number, samples: readonly FrameSample[]) {
    this.random = new SeededRandom(seed);
    this.#samples = samples;
    this.#encoded = samples.map(({ header, tensors }) => encodeFrame(header, tensors));
  }

  /** One of the samples, mutated. */
  next(): Uint8Array {
    const at = this.random.below(this.#samples.length);
    const { header, tensors = {} } = this.#samples[at] as FrameSample;
    const how = this.random.next();
    if (how < 0.5) return mutateBytes(this.random, this.#encoded[at] as Uint8Array, this.#encoded);
    try {
      if (how < 0.85) return encodeFrame(mutateValue(this.random, header), tensors);
      return encodeFrame(header, this.#mutateTensors(tensors));
    } catch {
      // No frame can say that.
      return mutateBytes(this.random, this.#encoded[at] as Uint8Array, this.#encoded);
    }
  }

  /** The sample as it is. */
  whole(at: number): Uint8Array {
    return this.#encoded[at] as Uint8Array;
  }

  #mutateTensors(tensors: Record<string, OutgoingTensor>): Record<string, OutgoingTensor> {
    const { random } = this;
    const length = random.pick([0, 1, 3, 256, 257]);
    const odd: OutgoingTensor = random.pick<OutgoingTensor>([
      { dtype: 'float32', shape: [length], data: new Float32Array(length) },
      { dtype: 'float32', shape: [length, 1], data: new Float32Array(length).fill(NaN) },
      { dtype: 'uint8', shape: [length], data: new Uint8Array(length) },
      { dtype: 'int32', shape: [length], data: new Int32Array(length) },
      { dtype: 'int8', shape: [length], data: new Int8Array(length) },
      { dtype: 'bfloat16', shape: [length], data: new Uint16Array(length) },
    ]);
    const names = Object.keys(tensors);
    const name = names.length > 0 ? random.pick(names) : 'gradient';
    switch (random.below(4)) {
      case 0:
        return Object.fromEntries(Object.entries(tensors).filter(([known]) => known !== name));
      case 1:
        return { ...tensors, [random.pick(['scales', 'x', '__proto__', ''])]: odd };
      default:
        return { ...tensors, [name]: odd };
    }
  }
}
