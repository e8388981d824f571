import { createRequire } from 'node:module';
import multipart from '@fastify/multipart';
import { connectService, Membership } from '@downpour/nats';
import type { ServiceContext, ServiceDefinition } from '@downpour/platform';
import { memberOf } from '@downpour/platform';
import type { FastifyReply } from 'fastify';
import { CoordinatorHost } from './coordinator/coordinator.host.ts';
import type { GatewayConfig } from './gateway.config.ts';
import { gatewayConfigSchema } from './gateway.config.ts';
import { registerMetrics } from './gateway.metrics.ts';
import { GatewayModule } from './gateway.module.ts';
import { OpenStreams } from './jobs/open-streams.ts';
import { natsPorts } from './nats-ports.ts';
import { allowedMethods, openApiDocument } from './openapi/document.ts';
import type { GatewayPorts } from './ports.ts';
import { ProblemError } from './problems/problem-error.ts';
import { ProblemFilter } from './problems/problem.filter.ts';
import { WEIGHTS_TYPE } from './weights/weights.controller.ts';

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

export interface GatewayParts {
  ports: GatewayPorts;
  /** Makes the gateway visible to the others, once it serves. */
  join: () => Promise<void>;
}

async function overNats(context: ServiceContext<GatewayConfig>): Promise<GatewayParts> {
  const link = await connectService(context);
  const membership = await Membership.start(link, { attend: ['parameter-shard'] });
  return {
    ports: natsPorts(link, membership, context.instance),
    join: async () => {
      await membership.join(memberOf(context));
      context.shutdown.register('stopIntake', 'membership', () => membership.update({ draining: true }));
      context.shutdown.register('leave', 'membership', () => membership.stop());
    },
  };
}

/** A path that cannot be decoded never gets to a route, nor to the filter. */
function badUrl(_error: unknown, _request: unknown, reply: unknown): void {
  const problem = new ProblemError(400, 'The path is not a valid URL', { code: 'invalid-request' });
  const { raw } = reply as FastifyReply;
  raw.writeHead(400, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem.document('/')));
}

/** Everything that makes the process a gateway: main.ts runs it; tests start it in their own process. */
export const gatewayService = (
  connect: (context: ServiceContext<GatewayConfig>) => Promise<GatewayParts> = overNats,
): ServiceDefinition<typeof gatewayConfigSchema> => {
  let join: () => Promise<void>;
  const document = openApiDocument(version);
  return {
    role: 'gateway',
    config: gatewayConfigSchema,
    fastify: { frameworkErrors: badUrl },
    module: async (context) => {
      const parts = await connect(context);
      join = parts.join;
      return GatewayModule.forRoot(context, parts.ports, document);
    },
    configure: async (app, { log, config }) => {
      const fastify = app.getHttpAdapter().getInstance();
      fastify.addHook('onRoute', (route) => {
        route.bodyLimit = config.MAX_SPEC_BYTES;
      });
      // Nest brings a Fastify of its own, whose types are others by name alone.
      await app.register(multipart as unknown as Parameters<typeof app.register>[0]);
      // Weights are read as they come: the limit of uploads is counted on the way.
      fastify.addContentTypeParser(WEIGHTS_TYPE, (_request, payload, done) => done(null, payload));
      app.useGlobalFilters(new ProblemFilter(log, config.MAX_SPEC_BYTES, allowedMethods(document)));
    },
    ready: async ({ metrics, instance }, app) => {
      const host = app.get(CoordinatorHost);
      const streams = app.get(OpenStreams);
      registerMetrics(metrics, { coordinates: () => host.holder === instance, eventStreams: () => streams.count });
      host.start();
      await join();
    },
  };
};
