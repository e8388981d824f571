import { connectService, Membership, NatsStrategy } from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import { memberOf } from '@downpour/platform';
import type { ServiceDefinition } from '@downpour/platform';
import { natsPorts } from './nats-ports.ts';
import { sharderConfigSchema } from './sharder.config.ts';
import { SharderModule } from './sharder.module.ts';

/** Everything that makes the process a data-sharder: main.ts runs it, tests start it in their own process. */
export const sharderService = (): ServiceDefinition<typeof sharderConfigSchema> => {
  let link: NatsLink;
  return {
    role: 'data-sharder',
    config: sharderConfigSchema,
    module: async (context) => {
      link = await connectService(context);
      return SharderModule.forRoot(context, natsPorts(link));
    },
    strategy: (_app, { instance }) => new NatsStrategy(link, { instance }),
    // Last: whoever sees the member may ask it.
    ready: async (context) => {
      const membership = await Membership.start(link);
      await membership.join(memberOf(context));
      context.shutdown.register('stopIntake', 'membership', () => membership.update({ draining: true }));
      context.shutdown.register('leave', 'membership', () => membership.stop());
    },
  };
};
