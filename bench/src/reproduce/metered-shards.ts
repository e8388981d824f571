import { spawn } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess, guard, onEnd } from '../harness/cleanup.ts';
import type { Cluster } from '../harness/cluster.ts';
import { CLUSTER } from './experiment.ts';

const SHARD = path.resolve(import.meta.dirname, '../../../apps/parameter-shard/dist/main.js');
const STOP_GRACE_MS = 10_000;
const JOIN_TIMEOUT_MS = 60_000;
const BUCKET = /^downpour_shard_staleness_bucket\{.*le="([\d.]+|\+Inf)".*\} (\d+)$/;

/** Pushes by how many versions a shard had moved on: bucket's upper end, and how many were in it. */
export type StalenessHistogram = [string, number][];

/** A parameter-shard process whose metrics are read. */
export class MeteredShard {
  readonly #port: number;
  #before = new Map<string, number>();

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(cluster: Cluster): Promise<MeteredShard> {
    const port = await freePort();
    const child = spawn(process.execPath, [SHARD], {
      env: { ...process.env, ...CLUSTER.env, NATS_URL: cluster.natsUrl, HTTP_PORT: String(port), LOG_LEVEL: 'error' },
      stdio: 'ignore',
      detached: true, // Ctrl-C is this process's to handle.
    });
    guard(child);
    onEnd(() => endProcess(child, STOP_GRACE_MS));
    const deadline = Date.now() + JOIN_TIMEOUT_MS;
    while (!(await cluster.client.members()).some(({ pid }) => pid === child.pid)) {
      if (Date.now() > deadline) throw new Error('A parameter shard was not there in time');
      await sleep(200);
    }
    return new MeteredShard(port);
  }

  /** Since the last look. */
  async staleness(): Promise<StalenessHistogram> {
    const text = await (await fetch(`http://127.0.0.1:${this.#port}/metrics`)).text();
    const counts = new Map<string, number>();
    for (const line of text.split('\n')) {
      const [, end, count] = BUCKET.exec(line) ?? [];
      if (end !== undefined) counts.set(end, Number(count));
    }
    // Prometheus' buckets hold all below them as well.
    let below = 0;
    const histogram = [...counts].map(([end, count]): [string, number] => {
      const own = count - (this.#before.get(end) ?? 0) - below;
      below += own;
      return [end, own];
    });
    this.#before = counts;
    return histogram;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
