import type { JobPlan } from '@downpour/contracts';
import type { EvaluationSums, ParameterClient, PulledParameters, Replica } from '@downpour/training';
import type { WorkerVerbs } from './ports.ts';

/** Examples of one evaluation step: large enough for TensorFlow's threads, small enough for a 1 MB server's slices. */
const RUN_EXAMPLES = 1000;

export interface SplitEvaluation {
  plan: JobPlan;
  parameters: ParameterClient;
  replica: Replica;
  verbs: Pick<WorkerVerbs, 'fetchExamples'>;
}

export const evaluatedSplit = ({ dataset: { summary } }: JobPlan): 'test' | 'train' =>
  summary.testExamples > 0 ? 'test' : 'train';

/** As the shards hold them now, whatever encoding the job has chosen for training. */
async function freshParameters(
  { layout, shards }: JobPlan,
  parameters: ParameterClient,
  signal: AbortSignal,
): Promise<Float32Array> {
  const fresh: PulledParameters = { vector: new Float32Array(layout.length), versions: shards.map(() => -1) };
  return (await parameters.pull(fresh, signal, { exact: true })).vector;
}

/** Fresh parameters through the whole test split (the training split where there is none): sums, and the parameters. */
export async function evaluateSplit(
  { plan, parameters, replica, verbs }: SplitEvaluation,
  signal: AbortSignal,
): Promise<{ sums: EvaluationSums; vector: Float32Array }> {
  const vector = await freshParameters(plan, parameters, signal);
  const split = evaluatedSplit(plan);
  const { trainExamples, testExamples } = plan.dataset.summary;
  const count = split === 'test' ? testExamples : trainExamples;
  const run = (begin: number) => {
    const end = Math.min(begin + RUN_EXAMPLES, count);
    const examples = verbs.fetchExamples(plan, { split, order: null, begin, end }, signal);
    examples.catch(() => undefined); // Awaited in its turn.
    return examples;
  };
  const sums: EvaluationSums = { lossSum: 0, correct: 0, metrics: [], examples: 0 };
  let next = run(0);
  for (let begin = 0; begin < count; begin += RUN_EXAMPLES) {
    const examples = await next;
    if (begin + RUN_EXAMPLES < count) next = run(begin + RUN_EXAMPLES);
    const part = await replica.evaluate(vector, examples);
    signal.throwIfAborted();
    sums.lossSum += part.lossSum;
    sums.examples += part.examples;
    part.metrics.forEach((value, i) => (sums.metrics[i] = (sums.metrics[i] ?? 0) + value));
    sums.correct = part.correct === null || sums.correct === null ? null : sums.correct + part.correct;
  }
  return { sums, vector };
}
