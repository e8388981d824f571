import { z } from 'zod';

/** Codes that cross the wire. A string tag, so that logs and metrics read well. */
export const errorCodeSchema = z.enum([
  'invalid-request',
  'not-found',
  'conflict',
  'too-large',
  'invalid-dataset',
  'invalid-model',
  'diverged',
  'unavailable',
  'not-owner',
  'loading',
  'waiting',
  'timeout',
  'internal',
]);
export type ErrorCode = z.infer<typeof errorCodeSchema>;

/** How a service says no in a reply. */
export const errorReplySchema = z.strictObject({
  error: z.strictObject({ code: errorCodeSchema, message: z.string(), field: z.string().optional() }),
});
export type ErrorReply = z.infer<typeof errorReplySchema>;

/** An error with a code that crosses the wire; the message says what to do. */
export class DownpourError extends Error {
  readonly code: ErrorCode;
  /** Path of the offending field of a request, if one is to blame: `strategy.nPush`. */
  readonly field: string | undefined;
  constructor(code: ErrorCode, message: string, options: { field?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'DownpourError';
    this.code = code;
    this.field = options.field;
  }
  toReply(): ErrorReply {
    return {
      error: { code: this.code, message: this.message, ...(this.field === undefined ? {} : { field: this.field }) },
    };
  }
  static fromReply(reply: ErrorReply): DownpourError {
    return new DownpourError(
      reply.error.code,
      reply.error.message,
      reply.error.field === undefined ? {} : { field: reply.error.field },
    );
  }
}

/** RFC 9457 problem document. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().optional(),
    code: errorCodeSchema.optional(),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .describe('Each field that is wrong, and what would be right'),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problemSchema>;
