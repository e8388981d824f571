import type { Bench, Figure } from '../bench.ts';
import { PythonPeer } from '../harness/python-peer.ts';
import { TensorFlowChild } from '../harness/tensorflow-child.ts';

/**
 * The compiled step against the same network in Python, one thread each. By CPU seconds: on a free core they are the time that passes, on a shared one that time is chance.
 */
export const tfFunction: Bench = {
  id: '1b',
  title: "compiled step against Python's tf.function",
  extra: 'peers',
  async run({ options, progress, signal }) {
    progress('starting TensorFlow twice');
    const [ours, theirs] = await Promise.all([TensorFlowChild.start(1), PythonPeer.start('tf_function')]);
    const figures: Figure[] = [];
    try {
      for (const workload of options.workloads) {
        const values = { ours: [] as number[], host: [] as number[], inPlace: [] as number[] };
        for (let repetition = 0; repetition < options.repetitions; repetition++) {
          signal.throwIfAborted();
          progress(`${workload}, ${repetition + 1} of ${options.repetitions}`);
          const windowMs = options.windowMs / 2;
          const runs = {
            ours: await ours.compiled(workload, windowMs),
            host: await theirs.measure('host', workload, windowMs),
            inPlace: await theirs.measure('in-place', workload, windowMs),
          };
          for (const kind of ['ours', 'host', 'inPlace'] as const)
            values[kind].push(runs[kind].examples / runs[kind].cpuSeconds);
        }
        const common = { unit: 'examples / CPU s', values: values.ours };
        figures.push({
          ...common,
          name: workload,
          baseline: { name: 'tf.function, host to host', values: values.host },
          aim: { least: 1 },
        });
        figures.push({
          ...common,
          name: `${workload} (against training in place)`,
          baseline: { name: 'tf.function, variables stay in TensorFlow', values: values.inPlace },
          aim: null,
        });
      }
    } finally {
      await Promise.all([ours.stop(), theirs.stop()]);
    }
    return { figures };
  },
};
