import { until } from '@downpour/testing';
import { jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startNatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsLink } from '../link/nats-link.ts';
import { StreamReader } from './stream-reader.ts';

describe('StreamReader', () => {
  let nats: NatsFixture;
  let link: NatsLink;
  let jsm: JetStreamManager;
  beforeEach(async () => {
    nats = await startNatsFixture();
    link = await nats.link();
    jsm = await jetstreamManager(link.nc);
    await jsm.streams.add({ name: 'S', subjects: ['s.*'], storage: StorageType.File });
  });
  afterEach(() => nats.stop());
  const publish = async (...texts: string[]): Promise<void> => {
    for (const text of texts) await jetstream(link.nc).publish('s.a', text);
  };
  const read = async (options: Partial<Parameters<typeof StreamReader.start>[1]> = {}) => {
    const seen: string[] = [];
    const state = { caughtUp: 0, begun: 0 };
    const reader = await StreamReader.start(link, {
      stream: 'S',
      filter: 's.*',
      start: { after: 0 },
      onMessage: ({ data }) => void seen.push(Buffer.from(data).toString()),
      onCaughtUp: () => void (state.caughtUp += 1),
      onBegin: () => void (state.begun += 1),
      ...options,
    });
    return { reader, seen, state };
  };

  it('is caught up at once with an empty stream, and after the last message of a full one', async () => {
    const { reader, state } = await read();
    await until('the end', () => state.caughtUp === 1, 1000);
    await reader.stop();
    await publish('1', '2');
    const second = await read();
    await until('the end', () => second.state.caughtUp === 1);
    expect(second.seen).toEqual(['1', '2']);
    await second.reader.stop();
  });

  it('is caught up although what it waits for is removed meanwhile', async () => {
    await publish('1', '2', '3', '4');
    let release = (): void => undefined;
    // It asks for one message at a time: the others are removed before it asks for them.
    const { reader, state } = await read({
      window: 1,
      onMessage: () => new Promise<void>((resolve) => (release = resolve)),
    });
    await until('the first', () => reader.received === 1);
    await jsm.streams.purge('S');
    release();
    await until('the end', () => state.caughtUp === 1, 3000);
    await reader.stop();
  });

  it('tells only what comes when it begins with what is new, and nothing of that is lost with the connection', async () => {
    await publish('old');
    const { reader, seen } = await read({ start: 'new' });
    const other = await nats.link();
    await link.nc.reconnect();
    await jetstream(other.nc).publish('s.a', 'new');
    await until('it', () => seen.length > 0);
    expect(seen).toEqual(['new']);
    await reader.stop();
  });

  it('goes on when its consumer is deleted', async () => {
    await publish('1');
    const { reader, seen } = await read();
    await until('the first', () => seen.length === 1);
    for await (const { name } of jsm.consumers.list('S')) await jsm.consumers.delete('S', name);
    await publish('2');
    await until('the second', () => seen.length === 2);
    expect(seen).toEqual(['1', '2']);
    await reader.stop();
  });

  it('reads a stream from its beginning that was made anew', async () => {
    await publish('1', '2', '3');
    const { reader, seen } = await read();
    await until('all', () => seen.length === 3);
    await jsm.streams.delete('S');
    await jsm.streams.add({ name: 'S', subjects: ['s.*'], storage: StorageType.File });
    await publish('4');
    await until('the new one', () => seen.length === 4, 15_000);
    expect(seen.at(-1)).toBe('4');
    await reader.stop();
  });

  it('reads the newest of each subject, and again after an interruption', async () => {
    const js = jetstream(link.nc);
    await jsm.streams.update('S', { max_msgs_per_subject: 1 });
    for (const [subject, text] of [
      ['s.a', 'a1'],
      ['s.b', 'b1'],
      ['s.a', 'a2'],
    ] as const)
      await js.publish(subject, text);
    const { reader, seen, state } = await read({ start: 'lastPerSubject' });
    await until('the end', () => state.caughtUp === 1);
    expect(seen.sort()).toEqual(['a2', 'b1']);
    await link.nc.reconnect();
    await until('the end again', () => state.caughtUp === 2);
    expect(state.begun).toBe(2);
    expect(seen).toHaveLength(4);
    await reader.stop();
  });

  it('takes no more ahead of a slow handler than its window', async () => {
    for (let n = 0; n < 20; n++) await publish(String(n));
    let release = (): void => undefined;
    const { reader } = await read({ window: 4, onMessage: () => new Promise<void>((resolve) => (release = resolve)) });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(reader.received).toBeLessThanOrEqual(5);
    const stopping = reader.stop();
    release();
    await stopping;
  });

  it('ends with what its handler throws', async () => {
    await publish('1', '2');
    const errors: unknown[] = [];
    await read({
      onMessage: () => Promise.reject(new Error('broken')),
      onError: (error) => errors.push(error),
    });
    await until('the error', () => errors.length > 0);
    await publish('3');
    expect(errors).toHaveLength(1);
  });
});
