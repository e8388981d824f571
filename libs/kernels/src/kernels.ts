import { CodecKernels } from './codec-kernels.ts';
import { KernelInstance } from './kernel-instance.ts';
import { RuleKernels } from './rule-kernels.ts';
import { VectorKernels } from './vector-kernels.ts';
import type { VectorMemory } from './vector-memory.ts';

const instances = new WeakMap<VectorMemory, Kernels>();

/**
 * WebAssembly SIMD code bound to one memory: it takes vectors of that memory and works on them in place. Not to be used by two threads on the same memory at
 * once: they would share its scratch.
 */
export class Kernels {
  readonly rules: RuleKernels;
  readonly vectors: VectorKernels;
  readonly codecs: CodecKernels;

  private constructor(memory: VectorMemory) {
    const instance = new KernelInstance(memory);
    this.rules = new RuleKernels(instance);
    this.vectors = new VectorKernels(instance);
    this.codecs = new CodecKernels(instance);
  }

  /** The same kernels for the same memory. @throws Error when the workspace has not been built. */
  static of(memory: VectorMemory): Kernels {
    let kernels = instances.get(memory);
    if (kernels === undefined) instances.set(memory, (kernels = new Kernels(memory)));
    return kernels;
  }
}
