import type { JobSpecInput, ShardLedger } from '@downpour/contracts';
import type { Cluster } from '../harness/cluster.ts';
import { BATCH_SIZE, baseJob, FEW_EXAMPLES, PORTION_EXAMPLES } from './experiment.ts';
import { crossing, watchJob, type WatchOptions } from './watch-job.ts';

/** Steps of a worker as fast as most that go by before counting begins. */
const WARM_UP_STEPS = 30;
/** The same for L-BFGS, whose examples are counted by whole evaluations: it is the end of one that a straggler delays. */
const WARM_UP_EVALUATIONS = 2;
const COUNTED_EVALUATIONS = 3;
const START_MS = 30_000;

/** What is counted: forty steps of each of four workers, and one evaluation of L-BFGS. */
export const COUNTED_EXAMPLES = FEW_EXAMPLES;

export interface StragglerRun {
  strategy: string;
  workers: string;
  seed: number;
  /** For so many examples, in full swing; null where it did not get there. */
  seconds: number | null;
  ledger: ShardLedger | null;
  problems: string[];
}

export function stragglerJob(strategy: NonNullable<JobSpecInput['strategy']>, seed: number): JobSpecInput {
  if (strategy.kind !== 'sandblaster') return { ...baseJob(seed), strategy };
  return { ...baseJob(seed), strategy, chunkSize: PORTION_EXAMPLES, epochs: 100 };
}

/** `dataset`: of COUNTED_EXAMPLES, for L-BFGS. `paddingMs`: of a worker as fast as most. `slowestMs`: of the slowest. */
export async function secondsInFullSwing(
  cluster: Cluster,
  spec: JobSpecInput,
  { dataset, paddingMs, slowestMs }: { dataset: string; paddingMs: number; slowestMs: number },
  watching: Omit<WatchOptions, 'timeoutMs' | 'until'>,
): Promise<Pick<StragglerRun, 'seconds' | 'ledger' | 'problems'>> {
  const evaluations = spec.strategy?.kind === 'sandblaster';
  const counted = (evaluations ? COUNTED_EVALUATIONS : 1) * COUNTED_EXAMPLES;
  const stepsOfAll = (WARM_UP_STEPS * BATCH_SIZE + counted * (evaluations ? 2 : 1)) / BATCH_SIZE;
  let begin: number | null = evaluations ? WARM_UP_EVALUATIONS * FEW_EXAMPLES : null;
  const { progress, ledger, problems } = await watchJob(cluster, evaluations ? { ...spec, dataset } : spec, {
    ...watching,
    // As if every step were the slowest's, and three workers had to do them.
    timeoutMs: START_MS + Math.ceil((stepsOfAll / 3) * slowestMs),
    until: ({ progress: seen }) => {
      const last = seen.at(-1);
      if (last && last.seconds * 1000 >= WARM_UP_STEPS * paddingMs) begin ??= last.examples;
      return begin !== null && last !== undefined && last.examples >= begin + counted;
    },
  });
  const curve = progress.map((at) => [at.seconds, at.examples] as const);
  const [from, to] = [begin ?? Infinity, (begin ?? Infinity) + counted].map((height) => crossing(curve, height));
  const seconds = from == null || to == null ? null : ((to - from) * COUNTED_EXAMPLES) / counted;
  return { seconds, ledger, problems };
}
