import { Controller, Get, Inject, Module } from '@nestjs/common';
import { get } from 'node:http';
import { Counter } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { createContext, startService } from './bootstrap.ts';
import type { RunningService, ServiceDefinition } from './bootstrap.ts';
import { serviceConfigSchema } from './config.ts';
import { INSTANCE } from './context.ts';

const schema = serviceConfigSchema('data-sharder');

@Controller()
class HelloController {
  readonly #instance: string;
  constructor(@Inject(INSTANCE) instance: string) {
    this.#instance = instance;
  }
  @Get('hello')
  hello(): { instance: string } {
    return { instance: this.#instance };
  }
}

@Module({ controllers: [HelloController] })
class HelloModule {}

const definition = (more: Partial<ServiceDefinition<typeof schema>> = {}): ServiceDefinition<typeof schema> => ({
  role: 'data-sharder',
  config: schema,
  module: () => HelloModule,
  env: { LOG_LEVEL: 'silent' },
  ...more,
});

const fetchText = (port: number, path: string): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let body = '';
      response.on('data', (text: Buffer) => (body += text.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    }).on('error', reject);
  });

describe('a service', () => {
  let service: RunningService<unknown> | undefined;
  afterEach(async () => {
    await service?.stop();
    service = undefined;
  });

  it('serves its routes with what the platform injects, on a free port', async () => {
    service = await startService(definition());
    expect(service.port).toBeGreaterThan(0);
    const answer = await fetchText(service.port, '/hello');
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toEqual({ instance: service.context.instance });
    expect(service.context.instance).toMatch(/^data-sharder-[0-9a-z]{6}$/);
  });

  it('is ready only while every check passes', async () => {
    service = await startService(definition());
    let connected = false;
    service.context.readiness.register('nats', () => connected || 'not connected to nats://127.0.0.1:4222');
    const before = await fetchText(service.port, '/readyz');
    expect(before.status).toBe(503);
    expect(JSON.parse(before.body).reasons).toEqual({ nats: 'not connected to nats://127.0.0.1:4222' });
    expect((await fetchText(service.port, '/healthz')).status).toBe(200);
    connected = true;
    expect((await fetchText(service.port, '/readyz')).status).toBe(200);
    connected = false;
    expect((await fetchText(service.port, '/readyz')).status).toBe(503);
  });

  it('is alive but not ready while its module still waits for something', async () => {
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const port = await freePort();
    const starting = startService(
      definition({
        env: { LOG_LEVEL: 'silent', HTTP_PORT: String(port) },
        module: async (context) => {
          context.readiness.register('nats', () => 'connecting');
          await gate;
          context.readiness.register('nats', () => true);
          return HelloModule;
        },
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await fetchText(port, '/healthz')).status).toBe(200);
    const notYet = await fetchText(port, '/readyz');
    expect(notYet.status).toBe(503);
    expect(JSON.parse(notYet.body).reasons).toEqual({ service: 'starting', nats: 'connecting' });
    expect((await fetchText(port, '/hello')).status).toBe(503);
    go();
    service = await starting;
    expect((await fetchText(port, '/readyz')).status).toBe(200);
    expect((await fetchText(port, '/hello')).status).toBe(200);
  });

  it('serves its own metrics beside those of the process, labelled with role and instance', async () => {
    service = await startService(definition());
    new Counter({ name: 'downpour_test_total', help: 'Test', registers: [service.context.metrics] }).inc(3);
    const { body } = await fetchText(service.port, '/metrics');
    const labels = `role="data-sharder",instance="${service.context.instance}"`;
    expect(body).toContain(`downpour_test_total{${labels}} 3`);
    expect(body).toContain('process_resident_memory_bytes');
  });

  it('refuses requests but tells of its health while it leaves, and closes its port at the end', async () => {
    service = await startService(definition());
    const { port, context } = service;
    const during: number[] = [];
    let body = '';
    context.shutdown.register('finish', 'ask', async () => {
      during.push((await fetchText(port, '/hello')).status, (await fetchText(port, '/healthz')).status);
      const ready = await fetchText(port, '/readyz');
      during.push(ready.status);
      body = ready.body;
    });
    await service.stop();
    expect(during).toEqual([503, 200, 503]);
    expect(JSON.parse(body).reasons).toEqual({ service: 'stopping' });
    await expect(fetchText(port, '/healthz')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('gets a new instance id at every start', () => {
    const ids = new Set(Array.from({ length: 50 }, () => createContext(definition()).instance));
    expect(ids.size).toBe(50);
  });
});

const freePort = async (): Promise<number> => {
  const probe = await startService(definition());
  await probe.stop();
  return probe.port;
};
