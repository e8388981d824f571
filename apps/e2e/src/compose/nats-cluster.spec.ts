import { until } from '@downpour/testing';
import { GenericContainer, Network, Wait, type StartedNetwork, type StartedTestContainer } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from '../http-cluster.ts';

const NODES = ['n1', 'n2', 'n3'];
const EXAMPLES = 60_000;

describe('a NATS cluster of three containers', () => {
  let network: StartedNetwork | undefined;
  let nodes: StartedTestContainer[] = [];
  let cluster: HttpCluster | undefined;

  beforeAll(async () => {
    const made = await new Network().start();
    network = made;
    nodes = await Promise.all(
      NODES.map((name) =>
        new GenericContainer('nats:2.15-alpine')
          .withNetwork(made)
          .withNetworkAliases(name)
          .withExposedPorts(4222)
          .withCopyContentToContainer([
            {
              target: '/etc/nats/cluster.conf',
              content: [
                `server_name: ${name}`,
                'port: 4222',
                'max_payload: 8MB',
                'jetstream { store_dir: /data }',
                // Clients reach the nodes by the host's ports alone.
                `cluster { name: c, port: 6222, no_advertise: true, routes: [${NODES.map((node) => `nats://${node}:6222`).join(', ')}] }`,
              ].join('\n'),
            },
          ])
          .withCommand(['--config', '/etc/nats/cluster.conf'])
          .withWaitStrategy(Wait.forLogMessage(/Server is ready/))
          .start(),
      ),
    );
    const servers = nodes.map((node) => `nats://127.0.0.1:${node.getMappedPort(4222)}`).join(',');
    cluster = await HttpCluster.start({ workers: 2, shards: 2, servers });
  }, 180_000);

  afterAll(async () => {
    await cluster?.stop();
    await Promise.all(nodes.map((node) => node.stop()));
    await network?.stop();
  }, 60_000);

  it('loses a node while a job trains, and the job goes on to its end', async () => {
    const { client } = cluster!;
    const { id } = await client.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      batchSize: 256,
      epochs: 2,
      log: { storage: 'file', replicas: 3 },
    });
    await until('training', async () => ((await client.job(id)).progress?.epochsDone ?? 0) > 0.2, 90_000, 200);
    await nodes[0]!.stop({ timeout: 0 });
    const job = await cluster!.succeeded(id);
    expectExactLedger(job, 2 * EXAMPLES);
    expect(job.result.accuracy).toBeGreaterThan(0.9);
    // While shards could not read their logs, workers waited: none went on computing on the same parameters.
    expect(job.progress!.staleness).toBeLessThan(10);
  }, 300_000);
});
