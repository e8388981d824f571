import { jobStateSchema } from '@downpour/contracts';
import { z } from 'zod';

const STATES = jobStateSchema.options.join(', ');
const LIMIT = 'a whole number from 1 to 1000';
const POSITION = 'the id of an event of this stream: a whole number';

/** Query of GET /v1/jobs. */
export const jobListQuerySchema = z.strictObject({
  limit: z.coerce
    .number(LIMIT)
    .int(LIMIT)
    .min(1, LIMIT)
    .max(1000, LIMIT)
    .default(100)
    .describe('Most jobs in the answer'),
  state: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(jobStateSchema.options, `one or more of ${STATES}, separated by commas`)))
    .optional()
    .describe('Only jobs in this state, or in one of these separated by commas'),
});

/** Query of GET /v1/jobs/:id/graph. */
export const graphQuerySchema = z.strictObject({
  format: z.enum(['json', 'svg'], 'json or svg').default('json').describe('svg: a drawing, for a browser'),
});

/** Headers of GET /v1/jobs/:id/events. */
export const lastEventIdSchema = z.object({
  'last-event-id': z.coerce.number(POSITION).int(POSITION).min(0, POSITION).optional(),
});
