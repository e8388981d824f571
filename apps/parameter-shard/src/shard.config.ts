import { envBytes, envDurationMs, serviceConfigSchema } from '@downpour/platform';
import type { z } from 'zod';

/** Everything a parameter-shard process reads from the environment. */
export const shardConfigSchema = serviceConfigSchema('parameter-shard').extend({
  SNAPSHOT_LOG_BYTES: envBytes(1, 2 ** 40)
    .optional()
    .describe(
      'A shard takes a snapshot after so many bytes of gradients: about what its next owner must replay. ' +
        'Default: four times what the shard holds, but 16 MiB at least, and 256 MiB or what it holds at most',
    ),
  SNAPSHOT_INTERVAL_MS: envDurationMs(100, 86_400_000)
    .default(30_000)
    .describe('... or after so long, if anything was applied'),
  SHARD_EVENT_INTERVAL_MS: envDurationMs(10, 4000)
    .default(500)
    .describe("Time between two events of a shard's progress; one without news is left out for up to 4 s"),
});
export type ShardConfig = z.infer<typeof shardConfigSchema>;
