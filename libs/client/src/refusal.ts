import { DownpourError } from '@downpour/contracts';

/** What the client itself says no to, before anything was sent. */
export function refusal(field: string, message: string): DownpourError {
  return new DownpourError('invalid-request', message, { field });
}
