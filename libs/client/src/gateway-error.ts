import type { Problem } from '@downpour/contracts';

/** The gateway said no: its problem document as a message. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly status: number;
  readonly problem: Partial<Problem>;
  constructor(status: number, problem: Partial<Problem>) {
    const fields = (problem.errors ?? []).map(({ field, message }) => `\n  ${field}: ${message}`).join('');
    super(`${problem.detail ?? problem.title ?? `HTTP ${status}`}${fields}`);
    this.status = status;
    this.problem = problem;
  }
}
