import { describeIssues } from '@downpour/contracts';
import type { PipeTransform } from '@nestjs/common';
import type { z } from 'zod';
import { ProblemError } from './problem-error.ts';

/** Checks a part of a request; the problem names every field that is wrong. */
export class ZodPipe<T> implements PipeTransform<unknown, T> {
  readonly #schema: z.ZodType<T>;
  readonly #what: string;

  /** `what` it is, for people: "The job". */
  constructor(schema: z.ZodType<T>, what: string) {
    this.#schema = schema;
    this.#what = what;
  }

  transform(value: unknown): T {
    return parseOrProblem(this.#schema, value, this.#what);
  }
}

/** @throws ProblemError 400 */
export function parseOrProblem<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = describeIssues(parsed.error);
  const fields = errors.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`));
  const shown = fields.slice(0, SHOWN_FIELDS).join('; ');
  const more = fields.length > SHOWN_FIELDS ? `; and ${fields.length - SHOWN_FIELDS} more` : '';
  throw new ProblemError(400, `${what} is not right: ${shown}${more}`, { code: 'invalid-request', errors });
}

/** The document lists all of them; its `detail` is one sentence. */
const SHOWN_FIELDS = 5;
