import { updateRuleSchema, type GradientEncoding, type UpdateRuleSpec } from '@downpour/contracts';
import { allocateEncoded, encodedBytes, Kernels, VectorMemory } from '@downpour/kernels';
import { updateRuleOf } from '@downpour/parameters';
import type { Bench, BenchContext, Figure } from '../bench.ts';
import { plainRules } from './plain-rules.ts';

/** A shard's part of mlp-large: more than any cache holds. And one of mlp-small, which a cache does hold. */
const LARGE = 4_000_000;
const SMALL = 100_000;
const AIM_SGD = 0.5;
const AIM_PLAIN = 5;
const KINDS = ['sgd', 'momentum', 'adagrad', 'rmsprop', 'adam'] as const;
const GRADIENTS: readonly GradientEncoding[] = ['float32', 'bfloat16', 'float16', 'int8'];

/** What a shard does with a gradient: parameters a second of each update rule, on one thread. */
export const apply: Bench = {
  id: '5',
  title: 'apply: update rules on one thread',
  async run(context) {
    const specs = KINDS.map((kind) => updateRuleSchema.parse({ kind }));
    const sizes = [
      [LARGE, `${LARGE / 1e6} M`],
      [SMALL, `${SMALL / 1e3} k`],
    ] as const;
    return {
      figures: specs.flatMap((spec) => sizes.flatMap(([length, size]) => figuresOf(spec, length, size, context))),
    };
  },
};

function figuresOf(spec: UpdateRuleSpec, length: number, size: string, context: BenchContext): Figure[] {
  const { options, progress, signal } = context;
  const rule = updateRuleOf(spec);
  const names = rule.slots(spec);
  const vector = VectorMemory.alignedBytes(4 * length);
  const gradients = GRADIENTS.reduce((sum, encoding) => sum + encodedBytes(encoding, length), 0);
  const memory = VectorMemory.create((2 + names.length) * vector + gradients);
  const kernels = Kernels.of(memory);
  const parameters = fill(memory.float32(length));
  const slots = names.map(({ initial }) => memory.float32(length).fill(initial));
  const source = fill(memory.float32(length));
  const encoded = GRADIENTS.map((encoding) => {
    const target = allocateEncoded(memory, encoding, length);
    kernels.codecs.encode(source, target);
    return { encoding, target, values: [] as number[] };
  });
  const plain = plainRules(length)[spec.kind];
  const copy = { from: fill(new Float32Array(length)), to: new Float32Array(length) };
  const baseline = { copy: [] as number[], plain: [] as number[] };
  let step = 0;
  for (let repetition = 0; repetition < options.repetitions; repetition++) {
    signal.throwIfAborted();
    progress(`${spec.kind}, ${size}, ${repetition + 1} of ${options.repetitions}`);
    baseline.copy.push(rate(length, () => copy.to.set(copy.from)));
    baseline.plain.push(rate(length, plain));
    for (const { target, values } of encoded)
      values.push(rate(length, () => rule.apply(kernels.rules, spec, parameters, target, slots, ++step)));
  }
  const common = { unit: 'Gparam/s' };
  const againstCopy = encoded.map(({ encoding, values }): Figure => ({
    ...common,
    name: `${spec.kind}, ${size}, ${encoding} gradient`,
    values,
    baseline: { name: 'memory copy', values: baseline.copy },
    aim: spec.kind === 'sgd' && encoding === 'float32' ? { least: AIM_SGD } : null,
  }));
  const againstPlain: Figure = {
    ...common,
    name: `${spec.kind}, ${size}, against a plain loop`,
    values: encoded[0]!.values,
    baseline: { name: 'plain typed-array loop', values: baseline.plain },
    aim: { least: AIM_PLAIN },
  };
  // What a cache holds is copied at its speed: only the arithmetic is compared there.
  return length === LARGE ? [...againstCopy, againstPlain] : [againstPlain];
}

/** Billions of parameters a second, the best of several: the memory is what is measured, not who else uses it. */
function rate(length: number, work: () => void): number {
  const rounds = Math.ceil(LARGE / length);
  let best = Infinity;
  for (let i = 0; i < 8; i++) {
    const began = performance.now();
    for (let round = 0; round < rounds; round++) work();
    best = Math.min(best, (performance.now() - began) / rounds);
  }
  return length / best / 1e6;
}

/** Some numbers around zero. */
function fill(values: Float32Array): Float32Array {
  for (let i = 0; i < values.length; i++) values[i] = (((i * 7919) % 2003) - 1001) / 1e5;
  return values;
}
