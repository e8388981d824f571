import { NatsDisorder, startNatsServer, startTcpProxy } from '@downpour/testing';
import type { NatsServer, TcpProxy } from '@downpour/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

describe('messages that come twice, late and out of order', () => {
  let nats: NatsServer;
  let proxy: TcpProxy;
  let cluster: HttpCluster;
  afterEach(async () => {
    await cluster?.stop();
    await proxy?.stop();
    await nats?.stop();
  });

  it('change nothing: every push is applied once', async () => {
    nats = await startNatsServer();
    const disturbed = new Map<string, number>();
    proxy = await startTcpProxy({
      targetPort: nats.port,
      // Everything that services send: pushes and their slices, pulls, answers, events, heartbeats, acknowledgements, records.
      toTarget: (connection) => (emit) =>
        new NatsDisorder(
          {
            seed: connection,
            duplicate: 0.1,
            delay: 0.1,
            longestMs: 100,
            onDisorder: (what, subject) => {
              const kind = `${what} ${subject.split('.').slice(0, 2).join('.')}`;
              disturbed.set(kind, (disturbed.get(kind) ?? 0) + 1);
            },
          },
          emit,
        ),
    });
    cluster = await HttpCluster.start({ workers: 2, shards: 2, servers: proxy.url });
    const { id } = await cluster.client.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      batchSize: 256,
      epochs: 1,
      shards: 2,
    });
    const job = await cluster.succeeded(id);
    expectExactLedger(job, 60_000);
    expect(disturbed.get('duplicate dp.push')).toBeGreaterThan(10);
    expect(disturbed.get('delay dp.push')).toBeGreaterThan(10);
    expect(job.result.accuracy).toBeGreaterThan(0.85);
  });
});
