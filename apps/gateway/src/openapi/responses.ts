import { problemSchema } from '@downpour/contracts';
import type { z } from 'zod';
import type { ZodOpenApiResponseObject } from 'zod-openapi';
import { problems } from './examples.ts';

type ProblemName = keyof typeof problems;

const MEANING: Record<ProblemName, string> = {
  invalid: 'The request is malformed; every field that is wrong is named',
  unfit: 'The request is well formed, but asks for what cannot be',
  missing: 'There is no such thing',
  conflict: 'Not in the state that it is in',
  tooLarge: 'The body is larger than this gateway takes',
  mediaType: 'The body is of another type than is taken here',
  unavailable: 'NATS, or a service that is needed, is not there at present. Nothing was done: ask again (Retry-After)',
};

/** Problem documents that a route may answer with, by status. */
export function problemResponses(...names: ProblemName[]): Record<string, ZodOpenApiResponseObject> {
  return Object.fromEntries(
    names.map((name) => {
      const example = problems[name];
      const content = { 'application/problem+json': { schema: problemSchema, example } };
      return [String(example.status), { description: MEANING[name], content }];
    }),
  );
}

export function jsonResponse(description: string, schema: z.ZodType, example: unknown): ZodOpenApiResponseObject {
  return { description, content: { 'application/json': { schema, example } } };
}
