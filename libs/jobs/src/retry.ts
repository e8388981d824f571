import type { ErrorCode } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';

/** Trying again cannot help: the job fails with the message. */
const PERMANENT: readonly ErrorCode[] = [
  'invalid-request',
  'invalid-model',
  'invalid-dataset',
  'too-large',
  'diverged',
];
/** The cluster is not ready, or NATS is away: wait for it, however long that takes. */
const TRANSIENT: readonly ErrorCode[] = ['unavailable', 'timeout', 'loading', 'not-owner'];
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** `lookAgain`: the record changed under our hands. `retry`: may pass. `counted`: may pass, but not for ever. `fail`: will not pass. */
export type Verdict = 'lookAgain' | 'retry' | 'counted' | 'fail';

export function judge(error: unknown): Verdict {
  if (!(error instanceof DownpourError)) return 'retry';
  if (error.code === 'conflict') return 'lookAgain';
  if (PERMANENT.includes(error.code)) return 'fail';
  return TRANSIENT.includes(error.code) ? 'retry' : 'counted';
}

/** Doubles with each attempt. */
export function pauseMs(attempts: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempts, 10));
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
