import type { JobSpecInput, UpdateRuleSpec } from '@downpour/contracts';
import { cutExamples, loadBuiltIn, permutation } from '@downpour/datasets';
import { CompiledRunner, loadTensorFlow } from '@downpour/engine/internal';
import { Kernels, VectorMemory } from '@downpour/kernels';
import { prepareModel, TrainingModel } from '@downpour/models';
import { updateRuleOf } from '@downpour/parameters';
import { BATCH_SIZE } from './experiment.ts';

/** Adam's. */
const MOST_SLOTS = 2;

export interface StaleRun {
  rule: UpdateRuleSpec;
  /** A gradient is applied when so many others have been since its parameters were fetched. */
  staleness: number;
  scaling: 'none' | 'inverse';
  steps: number;
  /** Steps without staleness at the beginning, as with one replica alone. */
  warmstartSteps?: number;
  seed: number;
}

export type StaleEnd = { accuracy: number; badAt: null } | { accuracy: null; badAt: number };

/**
 * Training in one process on gradients that are exactly so stale, with the shards' own update rule: what asynchronous workers do to training, with nothing of the system in
 * the way. The model and its first values are those of a job with this seed.
 */
export async function staleTraining(model: JobSpecInput['model'], seed: number): Promise<(run: StaleRun) => StaleEnd> {
  const dataset = await loadBuiltIn('mnist', undefined);
  const tensorflow = await loadTensorFlow({ intraOpThreads: 1 });
  const { topology, initial, loss } = await prepareModel({ model, seed } as never, dataset.summary);
  const runner = new CompiledRunner(tensorflow, await TrainingModel.open(topology, dataset.summary, loss));
  const bytes = VectorMemory.alignedBytes(4 * initial.length);
  // Parameters, gradient, and the most slots that a rule has.
  const memory = VectorMemory.create((2 + MOST_SLOTS) * bytes);
  const { rules: kernels } = Kernels.of(memory);
  const [parameters, gradient] = [memory.float32(initial.length), memory.float32(initial.length)];
  const memories = Array.from({ length: MOST_SLOTS }, () => memory.float32(initial.length));

  return ({ rule, staleness, scaling, steps, warmstartSteps = 0, seed: order }) => {
    parameters.set(initial);
    const slots = updateRuleOf(rule)
      .slots(rule)
      .map((slot, i) => memories[i]!.fill(slot.initial));
    const waiting: Float32Array[] = [];
    const slower = { ...rule, learningRate: rule.learningRate / (1 + staleness) };
    let version = 0;
    let shuffled: ReturnType<typeof permutation> | null = null;
    const perEpoch = Math.floor(dataset.train.count / BATCH_SIZE);
    for (let step = 0; step < steps; step++) {
      if (step % perEpoch === 0) shuffled = permutation(order, step / perEpoch, dataset.train.count);
      const begin = (step % perEpoch) * BATCH_SIZE;
      const examples = cutExamples(dataset, 'train', shuffled, begin, begin + BATCH_SIZE);
      const result = runner.step(parameters, examples, step);
      if (!Number.isFinite(result.loss)) return { accuracy: null, badAt: step };
      waiting.push(Float32Array.from(result.gradient));
      const delay = step < warmstartSteps ? 0 : staleness;
      if (waiting.length <= delay) continue;
      version += 1;
      gradient.set(waiting.shift()!);
      const applied = scaling === 'inverse' && delay > 0 ? slower : rule;
      updateRuleOf(applied).apply(
        kernels,
        applied,
        parameters,
        { encoding: 'float32', codes: gradient },
        slots,
        version,
      );
    }
    let correct = 0;
    for (let begin = 0; begin < dataset.test.count; begin += 1000)
      correct += runner.evaluate(parameters, cutExamples(dataset, 'test', null, begin, begin + 1000)).correct ?? 0;
    return { accuracy: correct / dataset.test.count, badAt: null };
  };
}
