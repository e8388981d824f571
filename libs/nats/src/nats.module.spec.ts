import 'reflect-metadata';
import { queueGroups, subjects } from '@downpour/contracts';
import { createContext, memberOf, serviceConfigSchema, startService } from '@downpour/platform';
import type { RunningService, ServiceDefinition } from '@downpour/platform';
import type { OutgoingFrame, TensorFrame } from '@downpour/tensor';
import { startNatsServer, until } from '@downpour/testing';
import type { NatsServer } from '@downpour/testing';
import { Controller, Inject, Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectService } from './link/connect.ts';
import type { NatsLink } from './link/nats-link.ts';
import type { Membership } from './members/membership.ts';
import { NatsModule, natsProviders } from './nats.module.ts';
import type { ObjectStore } from './objects/object-store.ts';
import { MEMBERSHIP, NATS_LINK, OBJECT_STORE, REQUEST_CLIENT } from './tokens.ts';
import { FrameHandler } from './transport/frame-handler.ts';
import { NatsStrategy } from './transport/nats.strategy.ts';
import type { RequestClient } from './transport/request-client.ts';

@Controller()
class ExamplesController {
  constructor(@Inject(OBJECT_STORE) private readonly store: ObjectStore) {}

  @FrameHandler(subjects.examples, { queue: queueGroups.sharders })
  async examples(@Payload() frame: TensorFrame): Promise<OutgoingFrame> {
    const { name } = frame.header as { name: string };
    return { header: { type: 'examples', bytes: (await this.store.get(name)).byteLength } };
  }
}

@Module({ controllers: [ExamplesController] })
class ServiceModule {
  static forRoot(link: NatsLink): DynamicModule {
    return { module: ServiceModule, imports: [NatsModule.forRoot(link)] };
  }
}

const definition = (url: string, name: string) => {
  const config = serviceConfigSchema('data-sharder');
  return {
    role: 'data-sharder',
    config,
    env: { NATS_URL: url, INSTANCE_NAME: name, LOG_LEVEL: 'silent' },
    module: async (context) => ServiceModule.forRoot(await connectService(context)),
    strategy: (app, context) => new NatsStrategy(app.get(NATS_LINK), { instance: context.instance }),
    ready: async (context, app) => app.get<Membership>(MEMBERSHIP).join(memberOf(context)),
  } satisfies ServiceDefinition<typeof config>;
};

const ready = async (port: number): Promise<number> => (await fetch(`http://127.0.0.1:${port}/readyz`)).status;

describe('a service on NatsModule', () => {
  let server: NatsServer;
  const services: RunningService<unknown>[] = [];
  const start = async (name: string) => {
    const service = await startService(definition(server.url, name));
    services.push(service);
    return service;
  };
  beforeAll(async () => {
    server = await startNatsServer();
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop()));
    await server.stop();
  });

  it('provides every token, answers requests and knows the others', async () => {
    const [a, b] = await Promise.all([start('a'), start('b')]);
    for (const provider of natsProviders(a.app.get(NATS_LINK)))
      expect(a.app.get((provider as { provide: symbol }).provide)).toBeDefined();
    await until('both members', () => b.app.get<Membership>(MEMBERSHIP).members().length === 2);
    await a.app.get<ObjectStore>(OBJECT_STORE).put('x', new Uint8Array(1234));
    const { header } = await b.app.get<RequestClient>(REQUEST_CLIENT).request(subjects.examples, { name: 'x' });
    expect(header).toEqual({ type: 'examples', bytes: 1234 });
    await expect(
      b.app.get<RequestClient>(REQUEST_CLIENT).request(subjects.examples, { name: 'y' }),
    ).rejects.toMatchObject({
      code: 'not-found',
    });
    expect(await ready(a.port)).toBe(200);
  });

  it('leaves its membership when it stops, and closes its connection', async () => {
    const a = services[0]!;
    const c = await start('c');
    const membership = a.app.get<Membership>(MEMBERSHIP);
    await until('the third', () => membership.members().length === 3);
    const link = c.app.get<NatsLink>(NATS_LINK);
    const begun = performance.now();
    await c.stop();
    await until('its leave', () => membership.members().length === 2);
    expect(link.closed).toBe(true);
    expect(performance.now() - begun).toBeLessThan(5000);
  });

  it('says that it is not ready while NATS is away, and is again afterwards', async () => {
    const a = services[0]!;
    await server.kill();
    await until('its word', async () => (await ready(a.port)) === 503);
    await server.restart();
    await until('its return', async () => (await ready(a.port)) === 200);
    await until('an answer', () =>
      a.app
        .get<RequestClient>(REQUEST_CLIENT)
        .request(subjects.examples, { name: 'x' })
        .then(Boolean, () => false),
    );
  });

  it('gives up waiting for NATS when it is told to stop', async () => {
    const given = definition('nats://127.0.0.1:1', 'early');
    const context = createContext(given);
    const starting = startService(given, context);
    starting.catch(() => undefined);
    await until('it to wait', () =>
      String(context.readiness.report().reasons['nats']).includes('waiting for NATS at nats://127.0.0.1:1'),
    );
    await context.shutdown.run(5000);
    await expect(starting).rejects.toThrow('The service is stopping');
  });
});
