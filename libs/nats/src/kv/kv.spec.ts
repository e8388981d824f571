import { DownpourError } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startNatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsFixture } from '../fixture/nats-fixture.ts';
import { connectNats } from '../link/connect.ts';
import type { NatsLink } from '../link/nats-link.ts';
import { Lease } from './lease.ts';
import { RecordBucket } from './record-bucket.ts';

const schema = z.object({ n: z.number(), text: z.string().optional() });
const bucketOf = (link: NatsLink) => new RecordBucket(link, 'dp-jobs', schema);

describe('shared state in JetStream', () => {
  let nats: NatsFixture;
  beforeEach(async () => {
    nats = await startNatsFixture();
  });
  afterEach(() => nats.stop());

  it('is made once by many that start at the same time', async () => {
    const links = await Promise.all(Array.from({ length: 6 }, () => nats.link()));
    await bucketOf(links[0]!).put('a', { n: 1 });
    expect(await bucketOf(links[5]!).get('a')).toMatchObject({ value: { n: 1 } });
  });

  it('waits for a server that is not there yet, and says so', async () => {
    await nats.server.kill();
    const said: string[] = [];
    const log = { warn: (_fields: object, message: string) => said.push(message) } as never;
    const connecting = connectNats({ servers: nats.server.url, log });
    await until('a word about waiting', () => said.length > 0);
    expect(said[0]).toBe(`waiting for NATS at ${nats.server.url}`);
    await nats.server.restart();
    const link = await connecting;
    expect(link.connected).toBe(true);
    await link.close();
  });

  it('stops waiting when it is told to', async () => {
    await nats.server.kill();
    const giveUp = new AbortController();
    const connecting = connectNats({ servers: nats.server.url, signal: giveUp.signal });
    setTimeout(() => giveUp.abort(new Error('enough')), 100);
    await expect(connecting).rejects.toThrow();
  });

  it('refuses an update that does not name the newest revision', async () => {
    const records = bucketOf(await nats.link());
    const first = await records.create('a', { n: 1 });
    const second = await records.update('a', { n: 2 }, first);
    await expect(records.update('a', { n: 3 }, first)).rejects.toMatchObject({ code: 'conflict' });
    await expect(records.create('a', { n: 4 })).rejects.toMatchObject({ code: 'conflict' });
    expect(await records.get('a')).toEqual({ value: { n: 2 }, revision: second });
    await records.remove('a');
    expect(await records.get('a')).toBeNull();
    await records.create('a', { n: 5 });
    expect((await records.list()).map(({ key, value }) => [key, value])).toEqual([['a', { n: 5 }]]);
  });

  it('keeps records far larger than a message when they compress, and refuses those that do not', async () => {
    const records = bucketOf(await nats.link());
    const large = { n: 1, text: 'layer '.repeat(500_000) };
    await records.put('large', large);
    expect((await records.get('large'))?.value).toEqual(large);
    const noise = Buffer.from(Uint8Array.from({ length: 2_000_000 }, () => Math.random() * 256)).toString('base64');
    await expect(records.put('noise', { n: 1, text: noise })).rejects.toMatchObject({ code: 'too-large' });
  });

  it('tells watchers what is there, what changes, and what went while the server was away', async () => {
    const records = bucketOf(await nats.link());
    await records.put('a', { n: 1 });
    const seen: string[] = [];
    let ready = 0;
    const stop = await records.watch({
      onRecord: (key, { value }) => seen.push(`${key}=${value.n}`),
      onRemoved: (key) => seen.push(`${key}=gone`),
      onReady: () => (ready += 1),
    });
    await until('what is there', () => ready === 1);
    expect(seen).toEqual(['a=1']);
    await records.put('b', { n: 2 });
    await until('b', () => seen.includes('b=2'));
    await nats.server.restart();
    await until('the server', () => records.put('c', { n: 3 }).then(Boolean, () => false));
    await until('c', () => seen.includes('c=3'));
    await records.remove('a');
    await until('the end of a', () => seen.includes('a=gone'));
    expect(seen).toEqual(['a=1', 'b=2', 'c=3', 'a=gone']);
    await stop();
  });

  it('tells of records that were removed while the watcher was cut off', async () => {
    const records = bucketOf(await nats.link());
    await records.put('a', { n: 1 });
    await records.put('b', { n: 1 });
    const other = await nats.link();
    const seen: string[] = [];
    const stop = await bucketOf(other).watch({
      onRecord: (key) => seen.push(key),
      onRemoved: (key) => seen.push(`${key}=gone`),
    });
    await until('both', () => seen.length === 2);
    // A removal leaves a marker; without one the key is just not there when the watch begins again.
    await other.nc.reconnect();
    await records.remove('a');
    await until('the end of a', () => seen.includes('a=gone'));
    await stop();
  });

  it('skips what it cannot read', async () => {
    const link = await nats.link();
    const odd = new RecordBucket(link, 'dp-jobs', z.object({ from: z.string() }));
    await odd.put('odd', { from: 'the future' });
    await bucketOf(link).put('fine', { n: 1 });
    const bad: string[] = [];
    const good: string[] = [];
    const stop = await bucketOf(link).watch({ onRecord: (key) => good.push(key), onBad: (key) => bad.push(key) });
    await until('both', () => bad.length + good.length === 2);
    expect([bad, good]).toEqual([['odd'], ['fine']]);
    await expect(bucketOf(link).get('odd')).rejects.toBeInstanceOf(DownpourError);
    expect(await bucketOf(link).list()).toHaveLength(1);
    await stop();
  });

  it('says within seconds that NATS is away', async () => {
    const records = bucketOf(await nats.link());
    await records.put('a', { n: 1 });
    await nats.server.kill();
    await until('the loss', () =>
      records.get('a').then(
        () => false,
        (error: DownpourError) => error.code === 'unavailable',
      ),
    );
    await nats.server.restart();
    await until('its return', () => records.get('a').then(Boolean, () => false));
  });

  it('gives the lease to one, and to the next when the first lets go or is cut off', async () => {
    const links = [await nats.link(), await nats.link(), await nats.link()];
    const log: string[] = [];
    const strive = (index: number): Lease =>
      Lease.start(links[index]!, {
        key: 'coordinator',
        instance: `g${index}`,
        onGained: () => log.push(`${index}+`),
        onLost: () => log.push(`${index}-`),
      });
    const first = strive(0);
    await until('the first', () => first.held);
    const second = strive(1);
    await until('the second knows', () => second.holder === 'g0');
    await first.stop();
    await until('the second', () => second.held, 3000);
    const third = strive(2);
    // As if its machine had lost the network: it has to notice by itself.
    await links[1]!.nc.close();
    await until('the third', () => third.held, 9000);
    expect(log).toEqual(['0+', '0-', '1+', '1-', '2+']);
    expect(third.holder).toBe('g2');
    await second.stop();
    await third.stop();
  });

  it('keeps the lease over a short restart of the server', async () => {
    const log: string[] = [];
    const lease = Lease.start(await nats.link(), {
      key: 'coordinator',
      instance: 'g',
      onGained: () => log.push('+'),
      onLost: () => log.push('-'),
    });
    await until('the lease', () => lease.held);
    await nats.server.restart();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(lease.held || log.length > 1).toBe(true);
    await until('the lease (again)', () => lease.held, 8000);
    await lease.stop();
  });
});
