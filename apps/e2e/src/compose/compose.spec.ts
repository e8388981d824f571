import { execFile } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { GatewayClient } from '@downpour/client';
import type { JobEvent, Role } from '@downpour/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../../../..');
const PORT = process.env['DOWNPOUR_PORT'] ?? '18080';
const client = new GatewayClient(`http://127.0.0.1:${PORT}`);
const run = promisify(execFile);
const compose = (...args: string[]) =>
  run('docker', ['compose', '--project-name', 'downpour-test', ...args], {
    cwd: ROOT,
    env: { ...process.env, DOWNPOUR_PORT: PORT, DOCKER_BUILDKIT: '0' },
    maxBuffer: 64 * 1024 * 1024,
  });

const countOf = async (role: Role) =>
  (await client.members().catch(() => [])).filter((member) => member.role === role).length;

async function until(what: string, timeoutMs: number, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline)
      throw new Error(`waited ${timeoutMs} ms for ${what}\n${(await compose('logs', '--tail', '30')).stdout}`);
    await sleep(500);
  }
}

describe('docker compose', () => {
  beforeAll(async () => {
    await compose('up', '--build', '--detach');
    await until(
      'two workers and two shards',
      120_000,
      async () => (await countOf('worker')) === 2 && (await countOf('parameter-shard')) === 2,
    );
  }, 1_500_000);

  afterAll(async () => {
    await compose('down', '--volumes', '--timeout', '12');
  }, 60_000);

  it('trains a job, and workers and shards added while it trains take part', async () => {
    const { id } = await client.submit({
      model: { zoo: 'mlp' },
      dataset: 'mnist',
      batchSize: 256,
      epochs: 16,
      seed: 7,
    });
    const workers = new Set<string>();
    const owners = new Set<string>();
    const stop = new AbortController();
    const note = (event: JobEvent) => {
      if (event.type === 'worker') workers.add(event.instance);
      if (event.type === 'shard') owners.add(event.instance);
    };
    const follow = (async () => {
      for await (const event of client.events(id, stop.signal)) note(event);
    })().catch(() => {});

    await until('training to begin', 60_000, async () => ((await client.job(id)).progress?.epochsDone ?? 0) > 0.1);
    await compose('up', '--detach', '--scale', 'worker=4', '--scale', 'parameter-shard=3');
    await until(
      'four workers and three shards',
      60_000,
      async () => (await countOf('worker')) === 4 && (await countOf('parameter-shard')) === 3,
    );
    await until(
      'all four workers to train',
      60_000,
      async () => workers.size === 4 || (await client.job(id)).state !== 'training',
    );

    const job = await client.untilTerminal(id);
    stop.abort();
    await follow;
    expect(job.state, job.reason ?? '').toBe('succeeded');
    expect(workers.size).toBe(4);
    expect(owners.size).toBe(3);
    expect(job.result?.accuracy).toBeGreaterThan(0.96);
    for (const { applied, expected } of job.ledger) expect(applied).toBe(expected);
  }, 600_000);

  it('runs every service as an ordinary user, healthy, and ends within its grace period', async () => {
    const { stdout } = await compose('ps', '--format', 'json');
    const services = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { Service: string; Name: string; Health: string });
    expect(services.map(({ Service, Health }) => `${Service} ${Health}`)).not.toContainEqual(
      expect.stringMatching(/unhealthy|starting/),
    );
    const worker = services.find(({ Service }) => Service === 'worker');
    const { stdout: user } = await run('docker', ['exec', worker?.Name ?? '', 'id', '-un']);
    expect(user.trim()).toBe('node');
    const begin = Date.now();
    await compose('stop', '--timeout', '12', 'worker', 'parameter-shard');
    expect(Date.now() - begin).toBeLessThan(30_000);
    const { stdout: codes } = await run('docker', ['inspect', '--format', '{{.State.ExitCode}}', worker?.Name ?? '']);
    expect(codes.trim()).toBe('0');
  }, 90_000);
});
