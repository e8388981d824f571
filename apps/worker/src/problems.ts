import type { ChunkTask, JobEvent } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';

/** Codes of errors that come again whoever tries again. */
const DETERMINISTIC = new Set(['invalid-model', 'invalid-dataset', 'invalid-request', 'diverged', 'too-large']);

/** TensorFlow's complaints about shapes and types have no code; they come again with every batch. */
const SHAPE_COMPLAINT =
  /\b(shape|shapes|dimension|rank|dtype)\b.*\b(must|mismatch|incompatible|expected|invalid)\b|InvalidArgument/i;

export type Problem = Extract<JobEvent, { type: 'problem' }>;

/** What went wrong with a chunk, an evaluation or a job's links, as an event. */
export function problemEvent(
  instance: string,
  error: unknown,
  task: ChunkTask | null,
  fatal = isDeterministic(error),
): Problem {
  return {
    type: 'problem',
    at: new Date().toISOString(),
    instance,
    code: error instanceof DownpourError ? error.code : 'internal',
    message: error instanceof Error ? error.message : String(error),
    fatal,
    chunk: task ? { epoch: task.epoch, chunk: task.chunk } : null,
  };
}

/** Trying again, here or elsewhere, would end the same way. */
export function isDeterministic(error: unknown): boolean {
  if (error instanceof DownpourError) return DETERMINISTIC.has(error.code);
  return error instanceof Error && SHAPE_COMPLAINT.test(error.message);
}

/** A chunk that has been given out this often and never came to an end is not tried again. */
export const MAX_DELIVERIES = 5;

export function poisonChunk(instance: string, task: ChunkTask, delivery: number): Problem {
  return {
    type: 'problem',
    at: new Date().toISOString(),
    instance,
    code: 'poison-chunk',
    message:
      `Chunk ${task.chunk} of epoch ${task.epoch} was given out ${delivery - 1} times and no worker finished it: it may be what ends them. ` +
      "Look at the workers' logs for memory or data problems in this chunk.",
    fatal: true,
    chunk: { epoch: task.epoch, chunk: task.chunk },
  };
}
