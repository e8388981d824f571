import { envBytes, envDurationMs, envInteger, serviceConfigSchema } from '@downpour/platform';
import type { z } from 'zod';

const TEBIBYTE = 2 ** 40;

export const gatewayConfigSchema = serviceConfigSchema('gateway').extend({
  MAX_UPLOAD_BYTES: envBytes(1, TEBIBYTE)
    .default(2 * 2 ** 30)
    .describe('Largest upload of a data set, all its files together; larger ones are refused (413)'),
  MAX_SPEC_BYTES: envBytes(1024, 64 * 2 ** 20)
    .default(2 ** 20)
    .describe(
      'Largest body of a request that is not an upload, such as a job with a Keras model; larger ones are refused (413)',
    ),
  MAX_RUNNING_JOBS: envInteger(1, 1000).default(8).describe('Jobs that run at the same time; more wait for their turn'),
  EVENT_HEARTBEAT_MS: envDurationMs(100, 600_000)
    .default(15_000)
    .describe('Pause between two comment lines in a stream of events, so that proxies keep it open'),
});
export type GatewayConfig = z.infer<typeof gatewayConfigSchema>;
