import type { JobRun } from '../job-run.ts';

/**
 * Asks workers for the `due`-th evaluation of the job. One at a time: where evaluating takes longer than training, some are left out instead of piling up.
 * @param epoch what the evaluation is told with
 */
export async function askForEvaluation(run: JobRun, due: number, epoch: number): Promise<void> {
  const out = run.evaluationAskedAt !== null && run.now - run.evaluationAskedAt <= run.options.evaluationMs;
  if (out) return;
  await run.deps.cluster.enqueueEvaluation({ type: 'evaluate', v: 1, jobId: run.id, epoch, final: false });
  run.evaluationAskedAt = run.now;
  await run.save(run.coordinate({ evaluationsRequested: due }));
}
