import { buckets, subjects } from '@downpour/contracts';
import type { Member } from '@downpour/contracts';
import { until } from '@downpour/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startNatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsFixture } from '../fixture/nats-fixture.ts';
import { encodeRecord } from '../kv/record-codec.ts';
import type { NatsLink } from '../link/nats-link.ts';
import { Membership } from './membership.ts';

const member = (instance: string, details: Member['details'] = {}): Member => ({
  role: 'worker',
  instance,
  host: 'localhost',
  pid: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  version: '0',
  draining: false,
  details,
});
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('membership', () => {
  let nats: NatsFixture;
  const all: Membership[] = [];
  const links: NatsLink[] = [];
  const start = async (instance?: string): Promise<{ membership: Membership; log: string[]; names(): string[] }> => {
    links.push(await nats.link());
    const membership = await Membership.start(links.at(-1)!);
    all.push(membership);
    const log: string[] = [];
    membership.onChange(({ kind, member: { instance } }) => log.push(`${instance} ${kind}`));
    if (instance !== undefined) await membership.join(member(instance));
    return {
      membership,
      log,
      names: () =>
        membership
          .members()
          .map(({ instance }) => instance)
          .sort(),
    };
  };
  beforeEach(async () => {
    nats = await startNatsFixture();
  });
  afterEach(async () => {
    await Promise.all(all.splice(0).map((membership) => membership.stop()));
    await nats.stop();
    links.length = 0;
  });

  it('shows everyone to everyone, whoever came first', async () => {
    const a = await start('a');
    const b = await start('b');
    const watcher = await start();
    await until('all', () => [a, b, watcher].every(({ names }) => names().join() === 'a,b'));
    expect(a.log).toEqual(['a joined', 'b joined']);
    expect(watcher.log.sort()).toEqual(['a joined', 'b joined']);
  });

  it('tells of a change of details and of draining, once', async () => {
    const a = await start('a');
    const b = await start('b');
    await until('both', () => b.names().length === 2);
    a.membership.update({ details: { threads: 2 } });
    await until('the change', () => b.log.includes('a updated'));
    a.membership.update({ draining: true });
    await until('draining', () =>
      b.membership.members().some(({ instance, draining }) => instance === 'a' && draining),
    );
    await sleep(2500);
    expect(b.log.filter((line) => line === 'a updated')).toHaveLength(2);
    expect(b.membership.members().find(({ instance }) => instance === 'a')?.details).toEqual({ threads: 2 });
  });

  it('notices at once who leaves, and within three seconds who vanishes', async () => {
    const watcher = await start('watcher');
    const polite = await start('polite');
    const doomedLink = await nats.link();
    const doomed = await Membership.start(doomedLink);
    await doomed.join(member('doomed'));
    await until('three', () => watcher.names().length === 3);
    const beforeLeave = performance.now();
    await polite.membership.leave();
    await until('the polite one to go', () => watcher.log.includes('polite left'));
    expect(performance.now() - beforeLeave).toBeLessThan(1000);
    const before = performance.now();
    await doomedLink.nc.close();
    await until('the doomed one to go', () => watcher.log.includes('doomed left'));
    expect(performance.now() - before).toBeLessThan(3000);
    expect(watcher.names()).toEqual(['watcher']);
    // Who comes later does not see it either.
    await until('its key to expire', async () => (await start()).names().join() === 'watcher', 5000, 500);
  });

  it('notices within a second and a half when one of a role that is attended to vanishes', async () => {
    const watcher = await Membership.start(await nats.link(), { attend: ['worker'] });
    all.push(watcher);
    const link = await nats.link();
    const doomed = await Membership.start(link);
    await doomed.join(member('doomed'));
    await until('it', () => watcher.members().length === 1);
    await sleep(1500);
    expect(watcher.members().length).toBe(1);
    const before = performance.now();
    await link.nc.close();
    await until('it to go', () => watcher.members().length === 0);
    expect(performance.now() - before).toBeGreaterThan(700);
    expect(performance.now() - before).toBeLessThan(1500);
  });

  it('does not call one gone that is connected but silent for a while, and does when it stays so', async () => {
    const watcher = await start('watcher');
    // As a process that is too busy to send heartbeats, and to answer.
    const busyLink = await nats.link();
    busyLink.nc.subscribe(subjects.presence('busy'), { callback: () => undefined });
    const beat = () => busyLink.publish(`$KV.${buckets.members}.worker.busy`, encodeRecord(member('busy')));
    beat();
    await until('both', () => watcher.names().length === 2);
    for (let pause = 0; pause < 2; pause++) {
      await sleep(3000);
      expect(watcher.names()).toContain('busy');
      beat();
      await sleep(100);
    }
    await until('it to be given up', () => watcher.log.includes('busy left'), 6000);
  });

  it('does not call one gone that loses its connection and finds it again', async () => {
    const watcher = await start('watcher');
    const restless = await start('restless');
    await until('both', () => watcher.names().length === 2);
    for (let at = 0; at < 4; at++) {
      await links.at(-1)!.nc.reconnect();
      await sleep(1000);
    }
    expect(watcher.log).toEqual(['watcher joined', 'restless joined']);
    expect(restless.names()).toEqual(['restless', 'watcher']);
  });

  it('lets a member know that the others count on it, and each time that they may not have', async () => {
    const { membership } = await start('a');
    expect(membership.standing).toEqual({ confirmed: true, lapses: 1 });
    await sleep(2500);
    expect(membership.standing).toEqual({ confirmed: true, lapses: 1 });
    await links.at(-1)!.nc.reconnect();
    await until('the next word', () => membership.standing.confirmed && membership.standing.lapses === 2);
    // A server that stores nothing: heard by the others or not, nobody vouches for it.
    nats.server.freeze();
    await until('the doubt', () => !membership.standing.confirmed, 5000);
    nats.server.thaw();
    await until('the next word', () => membership.standing.confirmed && membership.standing.lapses === 3);
    await membership.leave();
    expect(membership.standing.confirmed).toBe(false);
  });

  it('calls nobody gone because the server was', async () => {
    const a = await start('a');
    const b = await start('b');
    await until('both', () => a.names().length === 2 && b.names().length === 2);
    await nats.server.kill();
    await sleep(6000);
    await nats.server.restart();
    await sleep(4500);
    expect(a.names()).toEqual(['a', 'b']);
    expect([...a.log, ...b.log].filter((line) => line.endsWith('left'))).toEqual([]);
    const c = await start('c');
    await until('the new one', () => a.names().includes('c') && c.names().length === 3);
  });

  it('calls nobody gone because the server was frozen', async () => {
    const a = await start('a');
    const b = await start('b');
    await until('both', () => a.names().length === 2 && b.names().length === 2);
    nats.server.freeze();
    await sleep(6000);
    nats.server.thaw();
    await sleep(1500);
    expect([...a.log, ...b.log].filter((line) => line.endsWith('left'))).toEqual([]);
  });
});
