import { connectService, NATS_LINK, NatsStrategy } from '@downpour/nats';
import { runService } from '@downpour/platform';
import { workerConfigSchema } from './worker.config.ts';
import { WorkerModule } from './worker.module.ts';

await runService({
  role: 'worker',
  config: workerConfigSchema,
  module: async (context) => WorkerModule.forRoot(context, await connectService(context)),
  strategy: (app, { instance }) => new NatsStrategy(app.get(NATS_LINK), { instance }),
});
