import { until } from '@downpour/testing';
import { buckets } from '@downpour/contracts';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { patternBytes, sameBytes, startNatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsFixture } from '../fixture/nats-fixture.ts';
import type { NatsLink } from '../link/nats-link.ts';
import { NatsBlobSource } from './blob.source.ts';
import { ObjectStore } from './object-store.ts';
import { NatsSnapshotStore } from './snapshot.store.ts';

describe.each([
  ['1 MB', 2 ** 20],
  ['8 MB', 8 * 2 ** 20],
])('objects on a server of %s payload', (_name, maxPayloadBytes) => {
  let nats: NatsFixture;
  let link: NatsLink;
  let store: ObjectStore;
  beforeAll(async () => {
    nats = await startNatsFixture({ maxPayloadBytes });
    link = await nats.link();
    store = new ObjectStore(link);
  });
  afterAll(() => nats.stop());

  it.each([0, 1, 512 * 1024, 512 * 1024 + 1, 16_000_000])('of %i bytes come back as they were', async (length) => {
    const bytes = patternBytes(length);
    const stored = await store.put(`size/${length}`, bytes);
    expect(stored).toMatchObject({ name: `size/${length}`, bytes: length });
    const read = await new NatsBlobSource(store).read(`size/${length}`);
    expect(read.byteLength).toBe(length);
    expect(sameBytes(read, bytes)).toBe(true);
    expect(read.byteOffset).toBe(0);
  });

  it('are streamed in and out', async () => {
    const parts = Array.from({ length: 50 }, (_, index) => patternBytes(100_001, index));
    await store.putStream(
      'streamed',
      (async function* () {
        for (const part of parts) yield part;
      })(),
    );
    const { bytes, stream } = await store.getStream('streamed');
    expect(bytes).toBe(50 * 100_001);
    const read: Uint8Array[] = [];
    for await (const chunk of stream) read.push(chunk.slice());
    expect(Buffer.concat(read).equals(Buffer.concat(parts))).toBe(true);
  });

  it('that were not written to their end are removed once they are old; those that were stay', async () => {
    const whole = patternBytes(1_200_000);
    await store.put('whole', whole);
    // As a process leaves it that is killed.
    const orphan = `$O.${buckets.objects}.C.orphan`;
    for (let part = 0; part < 2; part++) await jetstream(link.nc).publish(orphan, patternBytes(500_000));
    expect(await store.removeOrphans(60_000)).toBe(0);
    expect(await store.removeOrphans(0)).toBe(1);
    const jsm = await jetstreamManager(link.nc);
    const { state } = await jsm.streams.info(`OBJ_${buckets.objects}`, { subjects_filter: orphan });
    expect(state.subjects?.[orphan]).toBeUndefined();
    expect(sameBytes(await store.get('whole'), whole)).toBe(true);
  });

  it('that break off while they are written are not there', async () => {
    await store.put('kept', patternBytes(10));
    for (const name of ['half', 'kept']) {
      const source = (async function* () {
        yield patternBytes(3_000_000);
        await Promise.resolve();
        throw new Error('cut off');
      })();
      await expect(store.putStream(name, source)).rejects.toThrow(/cut off/);
    }
    expect(await store.exists('half')).toBe(false);
    expect((await store.get('kept')).byteLength).toBe(10);
  });

  it('are replaced, renamed, listed by prefix and removed', async () => {
    await store.put('up/x', patternBytes(100, 1));
    await store.put('up/x', patternBytes(200, 2));
    await store.put('up/y', patternBytes(1));
    await store.rename('up/x', 'data/abc');
    expect(await store.exists('up/x')).toBe(false);
    expect(sameBytes(await store.get('data/abc'), patternBytes(200, 2))).toBe(true);
    await expect(store.rename('up/y', 'data/abc')).rejects.toMatchObject({ code: 'conflict' });
    await expect(store.rename('up/z', 'data/z')).rejects.toMatchObject({ code: 'not-found' });
    expect((await store.list('up/')).map(({ name, bytes }) => [name, bytes])).toEqual([['up/y', 1]]);
    await store.removeAll('up/');
    await store.remove('up/never-there');
    expect(await store.list('up/')).toEqual([]);
    await expect(store.get('up/y')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('are listed at once while others are removed', async () => {
    await store.put('list/kept', patternBytes(10));
    let slowestMs = 0;
    const list = async () => {
      const began = performance.now();
      const names = (await store.list('list/')).map(({ name }) => name);
      slowestMs = Math.max(slowestMs, performance.now() - began);
      expect(names).toContain('list/kept');
    };
    for (let round = 0; round < 5; round++) {
      const passing = Array.from({ length: 10 }, (_, index) => `list/passing-${index}`);
      await Promise.all(passing.map((name) => store.put(name, patternBytes(10))));
      await Promise.all(passing.map((name) => Promise.all([store.remove(name), list(), list()])));
    }
    expect(slowestMs).toBeLessThan(5000);
  });

  it('leave nothing behind when they are removed', async () => {
    const jsm = await jetstreamManager(link.nc);
    const before = (await jsm.streams.info('OBJ_dp-objects')).state.messages;
    for (let round = 0; round < 5; round++) {
      await store.put(`short/${round}`, patternBytes(600_000));
      await store.remove(`short/${round}`);
    }
    expect((await jsm.streams.info('OBJ_dp-objects')).state.messages).toBe(before);
  });

  it('whose bytes are damaged are refused', async () => {
    const bytes = patternBytes(2_000_000);
    await store.put('damaged', bytes);
    const jsm = await jetstreamManager(link.nc);
    const { nuid } = JSON.parse(
      (await jsm.streams.getMessage('OBJ_dp-objects', {
        last_by_subj: `$O.dp-objects.M.${Buffer.from('damaged').toString('base64')}`,
      }))!.string(),
    ) as { nuid: string };
    const subject = `$O.dp-objects.C.${nuid}`;
    const last = await jsm.streams.getMessage('OBJ_dp-objects', { last_by_subj: subject });
    await jsm.streams.deleteMessage('OBJ_dp-objects', last!.seq);
    const changed = last!.data.slice();
    changed[5]! ^= 1;
    await jsm.jetstream().publish(subject, changed);
    await expect(store.get('damaged')).rejects.toMatchObject({ code: 'internal', message: /corrupt/ });
  });

  it('survive a restart of the server, and the store works on', async () => {
    await store.put('before', patternBytes(1_000_000));
    await nats.server.restart();
    await until(
      'the store',
      () =>
        store.get('before').then(
          ({ byteLength }) => byteLength === 1_000_000,
          () => false,
        ),
      20_000,
    );
    await store.put('after', patternBytes(10));
    expect(await store.exists('after')).toBe(true);
  });

  it('hold the snapshots of a shard, newest first', async () => {
    const snapshots = new NatsSnapshotStore(store, 'j', 1);
    const others = new NatsSnapshotStore(store, 'j', 11);
    for (const position of [5, 100, 20]) await snapshots.save(position, patternBytes(position));
    await others.save(7, patternBytes(7));
    const list = await snapshots.list();
    expect(list.map(({ position }) => position)).toEqual([100, 20, 5]);
    expect((await snapshots.load(list[0]!.name)).byteLength).toBe(100);
    await snapshots.remove(list[1]!.name);
    expect((await snapshots.list()).map(({ position }) => position)).toEqual([100, 5]);
    await store.removeAll('jobs/j/');
    expect(await snapshots.list()).toEqual([]);
    expect(await others.list()).toEqual([]);
  });
});
