import { BARRIER_STRATEGIES, DownpourError, sharesSteps, stepWindow } from '@downpour/contracts';
import type { JobRecord, JobState, StrategySpec } from '@downpour/contracts';
import { strategyOf } from './job-record.ts';
import { isTerminal, RUNNING_STATES } from './job-state.ts';

/** Nothing of it is on its way out: workers have yet to take chunks of it. */
const SWITCHABLE: readonly JobState[] = ['queued', 'preparing', 'training', 'paused'];

/**
 * The job with another strategy, which workers follow from their next chunk on; itself when it has that one. `others`: all jobs there are.
 * @throws DownpourError conflict where the job, or another one, is in the way; invalid-request where the strategy does not fit the job
 */
export function switchStrategy(job: JobRecord, strategy: StrategySpec, others: readonly JobRecord[]): JobRecord {
  checkState(job);
  const present = strategyOf(job);
  if (JSON.stringify(present) === JSON.stringify(strategy)) return job;
  checkFit(job, present, strategy);
  checkInStep(job, strategy, others);
  return { ...job, strategy };
}

function checkState({ id, state }: JobRecord): void {
  if (SWITCHABLE.includes(state)) return;
  if (isTerminal(state))
    throw new DownpourError('conflict', `Job ${id} has ${state} already: its strategy cannot be switched`);
  const why = state === 'pausing' ? 'switch its strategy when it is paused' : 'it is trained, no strategy matters now';
  throw new DownpourError('conflict', `Job ${id} is ${state}: ${why}`);
}

function checkFit({ spec }: JobRecord, present: StrategySpec, strategy: StrategySpec): void {
  if ([present, strategy].some(({ kind }) => kind === 'sandblaster'))
    throw unfit('A job cannot be switched to sandblaster or from it: its epochs count something else. Submit a job');
  if (spec.partitions !== undefined && strategy.kind !== 'async')
    throw unfit('A model that is cut trains with strategy async: replicas do not wait for each other');
  const [{ nPush, nFetch }, wanted] = [stepWindow(spec), stepWindow({ ...spec, strategy })];
  if (spec.partitions !== undefined && wanted.nFetch !== nFetch)
    throw unfit(`The members of a group fetch every ${nFetch} steps for as long as the job lives`, 'nFetch');
  if (wanted.nPush !== nPush)
    throw unfit(
      `The job pushes every ${nPush} steps for as long as it lives, its ledger counts by that: a strategy that pushes every ${wanted.nPush} does not fit`,
    );
  if (spec.gradientAccumulation > 1 && strategy.kind === 'async' && strategy.nFetch > 1)
    throw unfit('The job accumulates gradients, all on the same parameters: leave out nFetch and nPush', 'nFetch');
  if (spec.log.storage === 'none' && sharesSteps(strategy))
    throw unfit('A strategy whose steps are made of several gradients needs a push log, and the job has none');
}

/** One that waits in line, or is paused, gets its turn when the other has ended; so does one of two that are switched in the same moment: the coordinator decides. */
function checkInStep({ id, state }: JobRecord, { kind }: StrategySpec, others: readonly JobRecord[]): void {
  if (!RUNNING_STATES.includes(state) || !BARRIER_STRATEGIES.includes(kind)) return;
  const other = others.find(
    (each) =>
      each.id !== id && RUNNING_STATES.includes(each.state) && BARRIER_STRATEGIES.includes(strategyOf(each).kind),
  );
  if (other === undefined) return;
  throw new DownpourError(
    'conflict',
    `Job ${other.id} runs and keeps all workers in step, as ${kind} would: wait until it has ended, or pause it`,
  );
}

const unfit = (message: string, field = 'kind'): DownpourError =>
  new DownpourError('invalid-request', message, { field });
