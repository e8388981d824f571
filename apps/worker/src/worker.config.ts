import { envBoolean, envDurationMs, envInteger, envText, serviceConfigSchema } from '@downpour/platform';
import type { z } from 'zod';

/** Everything a worker reads from the environment. */
export const workerConfigSchema = serviceConfigSchema('worker').extend({
  WORKER_THREADS: envInteger(1, 1024)
    .default(1)
    .describe(
      "Threads of one TensorFlow operation. 1 is best where workers share a machine; a machine's cores where one has it alone",
    ),
  FETCH_AHEAD: envBoolean()
    .default(false)
    .describe(
      "Fetch the next step's parameters while this one computes: hides the round trip, at one step of staleness of every worker. " +
        'Worth it where a round trip is long beside a step',
    ),
  OUTSTANDING_PUSHES: envInteger(1, 64)
    .default(4)
    .describe(
      'Gradients that may be on their way to the push log at once, and again as many that may wait there to be applied; more costs a vector of memory each',
    ),
  STEP_PADDING_MS: envDurationMs(0, 60_000)
    .default(0)
    .describe(
      'Every step takes at least so long. For experiments: many workers on few cores, or one that is slower than the others',
    ),
  TRACE_DIR: envText('a folder')
    .optional()
    .describe(
      'Folder for INSTANCE.trace.json: when this worker computed which micro-batch of its partition of a model, for https://ui.perfetto.dev or chrome://tracing. Grows by 200 bytes a forward or backward',
    ),
  EVENT_INTERVAL_MS: envDurationMs(0, 60_000).default(250).describe('Least time between two progress events of a job'),
  FINISH_GRACE_MS: envDurationMs(0, 600_000)
    .default(5000)
    .describe('How long a stopping worker may take to finish its chunk before it gives it back'),
});
export type WorkerConfig = z.infer<typeof workerConfigSchema>;
