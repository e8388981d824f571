import { z } from 'zod';
import { memberSchema } from './member.ts';

/** GET /v1/cluster */
export const clusterSchema = z
  .strictObject({
    coordinator: z.string().nullable().describe('Gateway instance that holds the lease'),
    members: z.array(memberSchema),
    nats: z.strictObject({
      server: z.string(),
      version: z.string(),
      maxPayloadBytes: z.int(),
      connected: z.boolean(),
      clustered: z.boolean().describe('It is one of several: log.replicas may be more than 1'),
    }),
  })
  .meta({ id: 'Cluster' });
export type Cluster = z.infer<typeof clusterSchema>;
