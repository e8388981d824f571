import type { Bench, Figure } from '../bench.ts';
import { KERNEL_ENCODINGS, KERNEL_RULES, measureKernel, steadyPlainLoops } from '../kernels.ts';

/** More than any cache holds: a shard's part of mlp-large. And one that a cache holds: of mlp-small. */
const LENGTHS = { large: 4_000_000, small: 100_000 };
const AIM_SGD = 0.5;
const AIM_PLAIN = 5;

/** What a shard does with a gradient, on one thread: parameters a CPU second of each update rule. */
export const apply: Bench = {
  id: '5',
  title: 'apply: update rules on one thread',
  async run({ options, progress, signal }) {
    steadyPlainLoops();
    const figures: Figure[] = [];
    for (const [size, length] of Object.entries(LENGTHS).slice(0, options.quick ? 1 : 2)) {
      for (const rule of KERNEL_RULES) {
        const all = !options.quick && (rule === 'sgd' || rule === 'adam');
        const encodings = all ? KERNEL_ENCODINGS : KERNEL_ENCODINGS.slice(0, 1);
        for (const encoding of encodings) {
          signal.throwIfAborted();
          progress(`${rule}, ${encoding}, ${length} parameters`);
          // It takes the processor for a while: a Ctrl-C must be heard in between.
          await new Promise((resolve) => setImmediate(resolve));
          const { kernel, plainLoop, copy } = measureKernel(rule, encoding, length, options.repetitions);
          const common = { unit: 'Gparam / CPU s', values: kernel };
          const name = `${rule}, ${encoding}, ${short(length)}`;
          const first = encoding === 'float32';
          if (size === 'large')
            figures.push({
              ...common,
              name,
              baseline: { name: 'memory copy', values: copy },
              aim: rule === 'sgd' && first ? { least: AIM_SGD } : null,
            });
          if (first)
            figures.push({
              ...common,
              name: `${name}, against a loop`,
              baseline: { name: 'plain typed-array loop', values: plainLoop },
              aim: { least: AIM_PLAIN },
            });
        }
      }
    }
    return { figures };
  },
};

const short = (length: number): string => (length >= 1e6 ? `${length / 1e6} M` : `${length / 1e3} k`);
