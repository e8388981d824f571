/**
 * Update rules as WebAssembly SIMD against the same rules as plain loops, and against a copy (`memcpy`) that moves as many bytes: what the memory
 * allows. A rule reads parameters, slots and gradient and writes parameters and slots; a copy reads and writes what it copies. One thread. `node --conditions=@downpour/source bench/src/kernels.ts [repetitions]`
 */
import type { ValueEncoding, UpdateRuleSpec } from '@downpour/contracts';
import { allocateEncoded, encodedBytes, Kernels, VectorMemory } from '@downpour/kernels';
import { updateRuleOf } from '@downpour/parameters';
import { referenceRuleOf } from '@downpour/parameters/reference';
import { setFlagsFromString } from 'node:v8';
import { median, short } from './harness/statistics.ts';
import { table } from './harness/table.ts';

export interface KernelTiming {
  rule: string;
  encoding: ValueEncoding;
  length: number;
  /** 10^9 parameters a second of CPU time (on shared cores the honest figure), one for each repetition. */
  kernel: number[];
  plainLoop: number[];
  /** A copy that reads and writes as many bytes together as the rule does. */
  copy: number[];
}

const RULES: Record<string, UpdateRuleSpec> = {
  sgd: { kind: 'sgd', learningRate: 1e-6 },
  momentum: { kind: 'momentum', learningRate: 1e-6, momentum: 0.9, nesterov: false },
  nesterov: { kind: 'momentum', learningRate: 1e-6, momentum: 0.9, nesterov: true },
  adagrad: { kind: 'adagrad', learningRate: 1e-6, initialAccumulator: 0.1 },
  rmsprop: { kind: 'rmsprop', learningRate: 1e-6, decay: 0.9, momentum: 0, epsilon: 1e-7 },
  'rmsprop, momentum': { kind: 'rmsprop', learningRate: 1e-6, decay: 0.9, momentum: 0.9, epsilon: 1e-7 },
  adam: { kind: 'adam', learningRate: 1e-6, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
};
const ENCODINGS: ValueEncoding[] = ['float32', 'bfloat16', 'float16', 'int8'];
const LENGTHS = [200_000, 8_000_000];
export const KERNEL_RULES: readonly string[] = Object.keys(RULES);
export const KERNEL_ENCODINGS: readonly ValueEncoding[] = ENCODINGS;
/** CPU time of one timing: the system counts in steps of 4 ms. */
const TIMING_US = 100_000;

/** In turns, so that whatever else the machine does slows all. */
export function measureKernel(
  rule: string,
  encoding: ValueEncoding,
  length: number,
  repetitions: number,
): KernelTiming {
  const spec = RULES[rule]!;
  const { slots: slotsOf, apply } = updateRuleOf(spec);
  const slotCount = slotsOf(spec).length;
  const vectorBytes = encodedBytes('float32', length);
  // What is copied: half of what the rule moves.
  const movedBytes = (2 + 2 * slotCount) * vectorBytes + encodedBytes(encoding, length);
  const copyLength = Math.round(movedBytes / 2 / Float32Array.BYTES_PER_ELEMENT);
  const memory = VectorMemory.create(2 * movedBytes + 3 * vectorBytes + 1024);
  const { rules, codecs, vectors } = Kernels.of(memory);
  const own = memory.float32(length);
  for (let i = 0; i < length; i++) own[i] = Math.sin(i);
  const slots = slotsOf(spec).map(({ initial }) => memory.float32(length).fill(initial));
  const values = memory.float32(length);
  for (let i = 0; i < length; i++) values[i] = Math.cos(i) * 0.01;
  const gradient = allocateEncoded(memory, encoding, length);
  codecs.encode(values, gradient);
  codecs.decode(gradient, values);
  // A plain loop works on ordinary arrays, in the gradient's best case: decoded.
  const [plain, plainGradient] = [own.slice(), values.slice()];
  const plainSlots = slots.map((slot) => slot.slice());
  const reference = referenceRuleOf(spec);
  const [source, target] = [memory.float32(copyLength), memory.float32(copyLength)];
  source.fill(1);
  const work = {
    kernel: (step: number) => apply(rules, spec, own, gradient, slots, step),
    plainLoop: (step: number) => reference(spec, plain, plainGradient, plainSlots, step),
    copy: () => vectors.copy(source, target),
  };
  const timing: KernelTiming = { rule, encoding, length, kernel: [], plainLoop: [], copy: [] };
  for (let repetition = -1; repetition < repetitions; repetition++)
    for (const kind of ['kernel', 'plainLoop', 'copy'] as const) {
      const began = process.threadCpuUsage();
      for (let round = 1, usedUs = 0; usedUs < TIMING_US; round++) {
        work[kind](round);
        const { user, system } = process.threadCpuUsage(began);
        usedUs = user + system;
        timing[kind][Math.max(0, repetition)] = (round * length) / usedUs / 1e3;
      }
    }
  return timing;
}

/** The plain loop at its best: with V8's middle compiler it falls back to unoptimised code once it has been called with other arrays, ten times as slow. */
export function steadyPlainLoops(): void {
  setFlagsFromString('--no-maglev');
}

if (import.meta.main) {
  steadyPlainLoops();
  const [repetitions = 7] = process.argv.slice(2).map(Number);
  for (const length of LENGTHS) {
    const rows = [['rule', 'gradient', 'Gparam/CPU s', 'plain loop', 'x plain', 'copy', 'x copy']];
    for (const rule of Object.keys(RULES))
      for (const encoding of rule === 'sgd' || rule === 'adam' ? ENCODINGS : ENCODINGS.slice(0, 1)) {
        const { kernel, plainLoop, copy } = measureKernel(rule, encoding, length, repetitions);
        const [ours, loop, memcpy] = [median(kernel), median(plainLoop), median(copy)];
        rows.push([rule, encoding, ...[ours, loop, ours / loop, memcpy, ours / memcpy].map(short)]);
      }
    console.log(`\n${length} parameters, median of ${repetitions}\n${table(rows)}`);
  }
}
