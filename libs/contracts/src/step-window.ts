import type { JobSpec } from './job-spec.ts';
import { strategyWindow } from './strategy.ts';

/** Steps of a replica between two fetches and between two pushes. */
export interface StepWindow {
  nFetch: number;
  nPush: number;
}

/** What a job's strategy says, or as many steps as are accumulated: these are computed on the same parameters. */
export function stepWindow({
  strategy,
  gradientAccumulation,
}: Pick<JobSpec, 'strategy' | 'gradientAccumulation'>): StepWindow {
  if (gradientAccumulation > 1) return { nFetch: gradientAccumulation, nPush: gradientAccumulation };
  return strategyWindow(strategy);
}
