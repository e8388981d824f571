import { isPush } from '@downpour/parameters';
import type { PushHeader } from '@downpour/contracts';
import { startNatsCluster, until } from '@downpour/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import { describe, expect, it } from 'vitest';
import { bodyOf, coordinatorPort, patternFloats } from './fixture/nats-fixture.ts';
import { ensureInfrastructure } from './infrastructure.ts';
import { Lease } from './kv/lease.ts';
import { connectNats } from './link/connect.ts';
import { ObjectStore } from './objects/object-store.ts';
import { ChunkQueues } from './streams/chunk-queues.ts';
import { EventBus } from './streams/event-bus.ts';
import { JetStreamPushLog } from './streams/push-log.ts';
import { PushPublisher } from './streams/push-publisher.ts';

const header = (push: number): PushHeader => ({
  type: 'push',
  v: 1,
  jobId: 'j',
  shard: 0,
  epoch: 0,
  chunk: 0,
  push,
  version: 0,
  examples: 1,
  worker: 'w',
});

describe('a cluster of three NATS servers', () => {
  it('loses one after the other and nothing else', { timeout: 240_000 }, async () => {
    const cluster = await startNatsCluster(3);
    const links = await Promise.all([1, 2].map(() => connectNats({ servers: cluster.url })));
    const [link, other] = links as [(typeof links)[0], (typeof links)[0]];
    try {
      await Promise.all(links.map((each) => ensureInfrastructure(each)));
      const jsm = await jetstreamManager(link.nc);
      expect((await jsm.streams.info('KV_dp-jobs')).config.num_replicas).toBe(3);
      await coordinatorPort(link).createStreams('j', { storage: 'file', replicas: 3 });
      const publisher = new PushPublisher(link);
      const pushes: number[] = [];
      const following = await new JetStreamPushLog(other, 'j', 0).follow(
        0,
        (record) => {
          if (isPush(record)) pushes.push(record.header.push);
        },
        () => undefined,
      );
      const store = new ObjectStore(link);
      const queue = new ChunkQueues(other).open('j');
      const events = new EventBus(other);
      const lease = Lease.start(link, {
        key: 'coordinator',
        instance: 'g',
        onGained: () => undefined,
        onLost: () => undefined,
      });
      await until('the lease', () => lease.held, 20_000);

      let push = 0;
      for (const victim of cluster.servers) {
        await victim.kill();
        for (let n = 0; n < 10; n++)
          await publisher.publish(header(push++), bodyOf(patternFloats(50_000)), new AbortController().signal);
        await until(
          'the object',
          () => store.put(`o${push}`, new Uint8Array(100_000)).then(Boolean, () => false),
          30_000,
        );
        await until(
          'the queue',
          () =>
            queue.enqueue([{ type: 'chunk', v: 1, jobId: 'j', epoch: 0, chunk: push }]).then(
              () => true,
              () => false,
            ),
          30_000,
        );
        const held = await until('the chunk', () => queue.next(500).catch(() => null), 60_000);
        await held.done();
        await events.publish('j', { type: 'state', at: '', state: 'training', reason: null });
        await until('the lease', () => lease.held, 20_000);
        await victim.restart();
        // All replicas have to be whole again before the next one goes.
        await until(
          'the replicas',
          async () => {
            const infos = await Promise.all(
              ['dp-push-j', 'dp-chunk-j', 'KV_dp-lease', 'OBJ_dp-objects', 'dp-events'].map((name) =>
                jsm.streams.info(name).catch(() => null),
              ),
            );
            return infos.every(
              (info) =>
                info?.cluster?.leader &&
                info.cluster.replicas?.length === 2 &&
                info.cluster.replicas.every(({ current }) => current),
            );
          },
          60_000,
          200,
        );
      }
      await until('all pushes', () => pushes.length >= 30, 30_000);
      expect([...new Set(pushes)].sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, n) => n));
      expect(await queue.pending()).toBe(0);
      await following.stop();
      await lease.stop();
    } finally {
      await Promise.all(links.map((each) => each.close()));
      await cluster.stop();
    }
  });
});
