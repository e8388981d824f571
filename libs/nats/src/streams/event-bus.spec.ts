import type { JobEvent } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startNatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsLink } from '../link/nats-link.ts';
import { EventBus } from './event-bus.ts';

const event = (reason: string): JobEvent => ({
  type: 'state',
  at: '2026-01-01T00:00:00.000Z',
  state: 'queued',
  reason,
});
const reasonOf = (told: JobEvent): string => (told.type === 'state' ? (told.reason ?? '') : told.type);

describe('events', () => {
  let nats: NatsFixture;
  let link: NatsLink;
  let events: EventBus;
  beforeEach(async () => {
    nats = await startNatsFixture();
    link = await nats.link();
    events = new EventBus(link);
  });
  afterEach(() => nats.stop());

  it('reach a late reader in order, then live, also after a restart of the server', async () => {
    for (const reason of ['one', 'two']) await events.publish('j1', event(reason));
    await events.publish('j2', event('other'));
    const seen: [string, number][] = [];
    const stop = await events.follow('j1', 0, (told, sequence) => seen.push([reasonOf(told), sequence]));
    await until('history', () => seen.length === 2);
    await nats.server.restart();
    await events.publish('j1', event('three'));
    await until('the live one', () => seen.length === 3);
    expect(seen).toEqual([
      ['one', 1],
      ['two', 2],
      ['three', 4],
    ]);
    stop();
    const resumed: string[] = [];
    const stopResumed = await events.follow('j1', 2, (told) => resumed.push(reasonOf(told)));
    await until('what was missed', () => resumed.length === 1);
    expect(resumed).toEqual(['three']);
    stopResumed();
  });

  it('that may get lost are stored as well', async () => {
    events.report('j', event('periodic'));
    await until('it', async () => (await events.lastSequence()) === 1);
    const seen: string[] = [];
    const stop = await events.follow('j', 0, (told) => seen.push(reasonOf(told)));
    await until('it', () => seen.length === 1);
    stop();
  });

  it('are stored once, although the server went away while they were published', async () => {
    await nats.server.kill();
    const published = events.publish('j', event('patient'));
    await new Promise((resolve) => setTimeout(resolve, 500));
    await nats.server.restart();
    await published;
    expect(await events.lastSequence()).toBe(1);
  });

  it('of all jobs can be followed and heard live', async () => {
    const live: string[] = [];
    const stopLive = events.subscribeAll((jobId, told) => live.push(`${jobId}:${reasonOf(told)}`));
    await link.nc.flush();
    const other = new EventBus(await nats.link());
    await other.publish('a', event('1'));
    await other.publish('b', event('2'));
    link.nc.publish('dp.event.a', 'garbage');
    await other.publish('a', event('3'));
    const all: string[] = [];
    const stopAll = await events.followAll(1, (jobId, told) => all.push(`${jobId}:${reasonOf(told)}`));
    await until('both', () => live.length === 3 && all.length === 2);
    expect(live).toEqual(['a:1', 'b:2', 'a:3']);
    expect(all).toEqual(['b:2', 'a:3']);
    stopLive();
    stopAll();
  });

  it('come by the thousand without loss or disorder', async () => {
    const seen: string[] = [];
    const stop = await events.follow('j', 0, (told) => seen.push(reasonOf(told)));
    for (let n = 0; n < 5000; n++) events.report('j', event(String(n)));
    await until('all', () => seen.length === 5000, 20_000);
    expect(seen).toEqual(Array.from({ length: 5000 }, (_, n) => String(n)));
    stop();
  });
});
