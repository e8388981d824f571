import { connectService, NATS_LINK, NatsStrategy } from '@downpour/nats';
import { runService } from '@downpour/platform';
import { workerConfigSchema } from './worker.config.ts';
import { WorkerLifecycle } from './worker.lifecycle.ts';
import { WorkerModule } from './worker.module.ts';

await runService({
  role: 'worker',
  config: workerConfigSchema,
  module: async (context) => WorkerModule.forRoot(context, await connectService(context)),
  strategy: (app, { instance }) => new NatsStrategy(app.get(NATS_LINK), { instance }),
  // Last: whoever sees the member may ask it.
  ready: (_context, app) => app.get(WorkerLifecycle).start(),
});
