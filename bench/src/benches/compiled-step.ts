import type { Bench, Figure } from '../bench.ts';
import { TensorFlowChild } from '../harness/tensorflow-child.ts';
import type { WorkloadName } from '../workloads.ts';

const AIMS: Record<string, Partial<Record<WorkloadName, number>>> = {
  1: { cnn: 2.5, 'mlp-small': 2.5 },
  default: { cnn: 3.5 },
};

/** A training step compiled to a TensorFlow graph against the same step op by op: host to host, parameters in, gradients out. */
export const compiledStep: Bench = {
  id: '1',
  title: 'compiled step, host to host',
  async run({ options, progress, signal }) {
    const figures: Figure[] = [];
    for (const threads of [1, 'default'] as const) {
      progress(`starting TensorFlow with ${threads} thread(s)`);
      const child = await TensorFlowChild.start(threads);
      try {
        for (const workload of options.workloads) {
          const eager: number[] = [];
          const compiled: number[] = [];
          for (let repetition = 0; repetition < options.repetitions; repetition++) {
            signal.throwIfAborted();
            progress(`${workload}, threads: ${threads}, ${repetition + 1} of ${options.repetitions}`);
            const { eagerMs, compiledMs } = await child.turns(workload, options.windowMs / 2);
            eager.push(1000 / eagerMs);
            compiled.push(1000 / compiledMs);
          }
          const aim = AIMS[threads]![workload];
          figures.push({
            name: `${workload}, threads: ${threads}`,
            unit: 'steps/s',
            values: compiled,
            baseline: { name: 'tfjs-node op by op', values: eager },
            aim: aim === undefined ? null : { least: aim },
          });
        }
      } finally {
        await child.stop();
      }
    }
    return { figures };
  },
};
