import 'reflect-metadata';
import { DownpourError, queueGroups } from '@downpour/contracts';
import { asFloat32, requireTensor } from '@downpour/tensor';
import type { OutgoingFrame, TensorFrame } from '@downpour/tensor';
import { startTcpProxy, until } from '@downpour/testing';
import { Controller, Inject, Module } from '@nestjs/common';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Payload } from '@nestjs/microservices';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { patternBytes, patternFloats, sameBytes, startNatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsLink } from '../link/nats-link.ts';
import { FrameHandler } from './frame-handler.ts';
import { NatsStrategy } from './nats.strategy.ts';
import type { RequestOutcome } from './nats.strategy.ts';
import { RequestClient } from './request-client.ts';

const STATE = Symbol('STATE');
interface State {
  name: string;
  atOnce: number;
  mostAtOnce: number;
  release: (() => void)[];
  /** Answers to pulls. */
  encoded: number;
}
const requestSchema = z.strictObject({ type: z.literal('sum'), begin: z.int() });

@Controller()
class TestController {
  constructor(@Inject(STATE) private readonly state: State) {}

  @FrameHandler('dp.shard.{instance}.pull')
  pull(@Payload() { header, tensors }: TensorFrame): OutgoingFrame {
    const { length = 0 } = header as { length?: number };
    const data = tensors['values'] ? asFloat32(tensors['values']) : patternFloats(length);
    const { state } = this;
    return {
      header: { type: 'pulled', by: state.name, sum: data.reduce((sum, value) => sum + value, 0) },
      get tensors() {
        state.encoded += 1;
        return { parameters: { dtype: 'float32' as const, shape: [data.length], data } };
      },
    };
  }

  @FrameHandler('dp.sharder.examples', { queue: queueGroups.sharders })
  async examples(@Payload() { header }: TensorFrame): Promise<OutgoingFrame> {
    await Promise.resolve();
    return { header: { type: 'examples', by: this.state.name, n: requestSchema.parse(header).begin } };
  }

  @FrameHandler('dp.test.refuse.{instance}')
  refuse(): OutgoingFrame {
    throw new DownpourError('not-owner', 'ask b', { field: 'ownership' });
  }

  @FrameHandler('dp.test.fail.{instance}')
  fail(): Promise<OutgoingFrame> {
    return Promise.reject(new TypeError('a bug'));
  }

  @FrameHandler('dp.test.slow.{instance}', { concurrency: 3, maxWaiting: 4 })
  async slow(): Promise<OutgoingFrame> {
    this.state.atOnce += 1;
    this.state.mostAtOnce = Math.max(this.state.mostAtOnce, this.state.atOnce);
    await new Promise<void>((resolve) => this.state.release.push(resolve));
    this.state.atOnce -= 1;
    return { header: { type: 'done' } };
  }
}

describe.each([
  ['1 MB', 2 ** 20],
  ['8 MB', 8 * 2 ** 20],
])('requests over a server of %s payload', (_name, maxPayloadBytes) => {
  let nats: NatsFixture;
  let link: NatsLink;
  let client: RequestClient;
  const outcomes: [string, RequestOutcome][] = [];
  const apps: INestMicroservice[] = [];
  const states: Record<string, State> = {};

  const startService = async (name: string, servers?: string): Promise<INestMicroservice> => {
    const state: State = { name, atOnce: 0, mostAtOnce: 0, release: [], encoded: 0 };
    states[name] = state;
    @Module({ controllers: [TestController], providers: [{ provide: STATE, useValue: state }] })
    class TestModule {}
    const own = await nats.link(servers);
    const strategy = new NatsStrategy(own, {
      instance: name,
      onRequest: (pattern, outcome) => outcomes.push([pattern, outcome]),
    });
    const app = await NestFactory.createMicroservice(TestModule, { strategy, logger: false });
    await app.listen();
    // The server knows of its subscriptions before others ask.
    await own.nc.flush();
    apps.push(app);
    return app;
  };

  beforeAll(async () => {
    nats = await startNatsFixture({ maxPayloadBytes });
    link = await nats.link();
    client = new RequestClient(link);
    await startService('a');
    await startService('b');
  });
  afterAll(async () => {
    client.close();
    await Promise.all(apps.map((app) => app.close()));
    await nats.stop();
  });
  afterEach(() => outcomes.splice(0));

  it('reach the instance that is named, and no other', async () => {
    for (const name of ['a', 'b', 'a']) {
      const { header } = await client.request(`dp.shard.${name}.pull`, { length: 1 });
      expect(header).toMatchObject({ by: name });
    }
  });

  it('are spread over a queue group, one member each', async () => {
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, begin) => client.request('dp.sharder.examples', { type: 'sum', begin })),
    );
    expect(replies.map(({ header }) => (header as { n: number }).n)).toEqual(Array.from({ length: 40 }, (_, n) => n));
    expect(new Set(replies.map(({ header }) => (header as { by: string }).by))).toEqual(new Set(['a', 'b']));
  });

  it('carry tensors both ways', async () => {
    const values = patternFloats(1000);
    const reply = await client.request(
      'dp.shard.a.pull',
      {},
      { values: { dtype: 'float32', shape: [1000], data: values } },
    );
    expect(asFloat32(requireTensor(reply.tensors, 'parameters'))).toEqual(values);
    expect(reply.header).toMatchObject({ sum: values.reduce((sum, value) => sum + value, 0) });
  });

  it.each([0, 1, 2 ** 18 - 1024, 2 ** 18, 2 ** 21 - 512, 4 * 2 ** 20])(
    'are answered with %i values, in slices where they must be',
    async (length) => {
      const { tensors } = await client.request('dp.shard.a.pull', { length });
      const data = asFloat32(requireTensor(tensors, 'parameters'));
      expect(sameBytes(data, patternFloats(length))).toBe(true);
    },
  );

  it('are answered side by side, sliced replies mixed', async () => {
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        client.request(`dp.shard.${index % 2 ? 'a' : 'b'}.pull`, { length: 600_000 + index }),
      ),
    );
    replies.forEach(({ tensors }, index) => {
      expect(sameBytes(asFloat32(requireTensor(tensors, 'parameters')), patternFloats(600_000 + index))).toBe(true);
    });
  });

  it('are answered no faster than answers leave: a network that stands still makes no queue of them', async () => {
    const proxy = await startTcpProxy({ targetPort: nats.server.port });
    const app = await startService('behind', proxy.url);
    proxy.stall('toTarget');
    const answerMiB = 4;
    const asked = Array.from({ length: 40 }, () =>
      client.request('dp.shard.behind.pull', { length: (answerMiB * 2 ** 20) / 4 }, undefined, { timeoutMs: 20_000 }),
    );
    await until('the first answers to be made', () => states['behind']!.encoded > 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    // 16 MiB, and what the system's buffers have taken.
    expect(states['behind']!.encoded).toBeLessThan(40 / 2);
    proxy.pass();
    for (const reply of asked)
      expect(requireTensor((await reply).tensors, 'parameters').shape).toEqual([(answerMiB * 2 ** 20) / 4]);
    expect(states['behind']!.encoded).toBe(40);
    await app.close();
    await proxy.stop();
  }, 30_000);

  it('are refused with the code, the message and the field', async () => {
    await expect(client.request('dp.test.refuse.a', {})).rejects.toMatchObject({
      name: 'DownpourError',
      code: 'not-owner',
      message: 'ask b',
      field: 'ownership',
    });
    await until('the count', () => outcomes.length > 0);
    expect(outcomes).toEqual([['dp.test.refuse.{instance}', 'refused']]);
  });

  it('are refused as malformed, naming the field, when the schema says so', async () => {
    await expect(client.request('dp.sharder.examples', { type: 'sum', begin: 'x' })).rejects.toMatchObject({
      code: 'invalid-request',
      field: 'begin',
    });
  });

  it('are answered with internal when the handler has a bug', async () => {
    await expect(client.request('dp.test.fail.b', {})).rejects.toMatchObject({ code: 'internal', message: /a bug/ });
    await until('the count', () => outcomes.length > 0);
    expect(outcomes).toEqual([['dp.test.fail.{instance}', 'failed']]);
  });

  it('that are garbage are refused and counted, and the service goes on', async () => {
    for (const garbage of [new Uint8Array(0), patternBytes(7), patternBytes(5000), Buffer.from('{"type":"pull"}')]) {
      const { data } = await link.nc.request('dp.shard.a.pull', garbage, { timeout: 2000 });
      expect(Buffer.from(data).toString('latin1')).toContain('invalid-request');
    }
    await until('the count', () => outcomes.length === 4);
    expect(outcomes.every(([, outcome]) => outcome === 'refused')).toBe(true);
    await expect(client.request('dp.shard.a.pull', { length: 1 })).resolves.toBeDefined();
  });

  it('to nobody fail at once and say whom to start', async () => {
    const begun = performance.now();
    await expect(client.request('dp.worker.prepare', {})).rejects.toMatchObject({
      code: 'unavailable',
      message: /no worker is running: start one/,
    });
    await expect(client.request('dp.shard.gone.pull', {})).rejects.toMatchObject({ message: /parameter-shard gone/ });
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  it('larger than a message are refused before they are sent', async () => {
    const data = new Uint8Array(maxPayloadBytes);
    await expect(
      client.request('dp.shard.a.pull', {}, { values: { dtype: 'uint8', shape: [data.length], data } }),
    ).rejects.toMatchObject({ code: 'too-large' });
  });

  it('end when their caller says so', async () => {
    const abort = new AbortController();
    const request = client.request('dp.test.slow.a', {}, undefined, { signal: abort.signal });
    abort.abort(new Error('cancelled'));
    await expect(request).rejects.toThrow('cancelled');
    await until('the handler', () => states['a']!.release.length > 0);
    states['a']!.release.splice(0).forEach((release) => release());
  });

  it('wait their turn at a handler, and are refused when the line is too long', async () => {
    const state = states['b']!;
    const requests = Array.from({ length: 9 }, () =>
      client.request('dp.test.slow.b', {}).then(
        () => 'done',
        (error: DownpourError) => error.code,
      ),
    );
    await until('a full house', () => state.atOnce === 3);
    await until('two refusals', () => outcomes.length === 2);
    const opener = setInterval(() => state.release.splice(0).forEach((release) => release()), 5);
    const results = await Promise.all(requests);
    clearInterval(opener);
    expect(results.filter((result) => result === 'done')).toHaveLength(7);
    expect(results.filter((result) => result === 'unavailable')).toHaveLength(2);
    expect(state.mostAtOnce).toBe(3);
  });

  it('time out after silence, but not while the handler says that it is at work', async () => {
    const state = states['a']!;
    const request = client.request('dp.test.slow.a', {}, undefined, { timeoutMs: 2500 });
    await new Promise((resolve) => setTimeout(resolve, 4000));
    state.release.splice(0).forEach((release) => release());
    await expect(request).resolves.toMatchObject({ header: { type: 'done' } });
    const mute = link.nc.subscribe('dp.test.mute');
    await expect(client.request('dp.test.mute', {}, undefined, { timeoutMs: 200 })).rejects.toMatchObject({
      code: 'timeout',
    });
    mute.unsubscribe();
  });

  it('check the reply against a schema', async () => {
    const reply = z.strictObject({ type: z.literal('other') });
    await expect(client.request('dp.shard.a.pull', { length: 0 }, undefined, { reply })).rejects.toMatchObject({
      code: 'internal',
    });
  });

  it('are answered although their service is stopping, if it has them', async () => {
    await startService('c');
    const app = apps.pop()!;
    const request = client.request('dp.test.slow.c', {});
    await until('the handler', () => states['c']!.release.length > 0);
    const closing = app.close();
    const refused = () =>
      client.request('dp.shard.c.pull', { length: 0 }).then(
        () => false,
        (error: unknown) => error instanceof DownpourError && error.code === 'unavailable',
      );
    await until('it takes nothing new', refused);
    states['c']!.release.splice(0).forEach((release) => release());
    await expect(request).resolves.toMatchObject({ header: { type: 'done' } });
    await closing;
  });

  it('in flight fail with unavailable when the connection is lost, and later ones work', async () => {
    const request = client.request('dp.test.slow.a', {}).catch((error: DownpourError) => error.code);
    await until('the handler', () => states['a']!.release.length > 0);
    await nats.server.restart();
    expect(await request).toBe('unavailable');
    states['a']!.release.splice(0).forEach((release) => release());
    await until('the return', () => client.request('dp.shard.a.pull', { length: 1 }).then(Boolean, () => false));
  });

  it('find no service that would answer twice: it does not boot', async () => {
    const strategy = new NatsStrategy(link, { instance: 'x' });
    strategy.addHandler('dp.shard.{instance}.pull', async () => undefined);
    expect(() => strategy.addHandler('dp.shard.x.pull', async () => undefined)).toThrow(
      /Two handlers for dp.shard.x.pull/,
    );
  });
});
