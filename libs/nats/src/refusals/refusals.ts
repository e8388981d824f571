import { DownpourError } from '@downpour/contracts';
import type { ErrorCode } from '@downpour/contracts';

/**
 * Why a message was not taken: `malformed` is none of this system's, `wrong-fields` is one whose header does not match its schema; the others are
 * what a handler found (contracts' error codes), `internal` a defect of ours.
 */
export type RefusalReason = 'malformed' | 'wrong-fields' | ErrorCode;

/** What kind of messages: a request's subject as it is written in the code, or a stream, queue or bucket. */
export type RefusalSource = string;

/** Messages that were not taken, counted by where they came and why: whoever sends nonsense shows in the metrics, and stops nobody. */
export class Refusals {
  readonly #counts = new Map<RefusalSource, Map<RefusalReason, number>>();

  count(source: RefusalSource, reason: RefusalReason): void {
    const reasons = this.#counts.get(source) ?? new Map<RefusalReason, number>();
    this.#counts.set(source, reasons);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }

  /** Since the process began. */
  list(): { source: RefusalSource; reason: RefusalReason; count: number }[] {
    return [...this.#counts].flatMap(([source, reasons]) =>
      [...reasons].map(([reason, count]) => ({ source, reason, count })),
    );
  }

  get total(): number {
    return this.list().reduce((sum, { count }) => sum + count, 0);
  }
}

/** Of what a decoder, a schema or a handler threw. */
export const refusalReason = (error: unknown): RefusalReason => {
  if (isZodError(error)) return 'wrong-fields';
  if (!(error instanceof DownpourError)) return error instanceof SyntaxError ? 'malformed' : 'internal';
  if (error.code !== 'invalid-request') return error.code;
  return isZodError(error.cause) ? 'wrong-fields' : 'malformed';
};

/** By name: there may be more than one copy of zod. */
export const isZodError = (error: unknown): error is Error & { issues: unknown } =>
  error instanceof Error && error.name.endsWith('ZodError') && 'issues' in error;
