import { z } from 'zod';

export const roleSchema = z.enum(['gateway', 'parameter-shard', 'worker', 'data-sharder']).meta({ id: 'Role' });
export type Role = z.infer<typeof roleSchema>;

/** One live process. The key `<role>.<instance>` expires unless it is renewed; a clean exit deletes it. */
export const memberSchema = z
  .strictObject({
    role: roleSchema,
    instance: z.string().describe('Unique for each start of a process: name-random'),
    host: z.string(),
    pid: z.int(),
    startedAt: z.string(),
    version: z.string(),
    draining: z.boolean().describe('Leaving: give it nothing new'),
    details: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .describe("Role's own: threads of a worker, bytes held by a shard"),
  })
  .meta({ id: 'Member' });
export type Member = z.infer<typeof memberSchema>;
