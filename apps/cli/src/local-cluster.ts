import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayClient } from '@downpour/client';
import type { Role } from '@downpour/contracts';
import type { StartOptions } from './options.ts';
import { ProcessGroup } from './process-group.ts';

export const REPOSITORY = path.resolve(import.meta.dirname, '../../..');
/** First start on a slow machine: TensorFlow alone takes seconds to load. */
const READY_TIMEOUT_MS = 90_000;

/** A whole Downpour on this machine, one process for each server. */
export class LocalCluster {
  readonly gateway: GatewayClient;
  readonly url: string;
  private readonly group: ProcessGroup;
  private readonly lockFile: string;

  private constructor(group: ProcessGroup, url: string, lockFile: string) {
    this.group = group;
    this.url = url;
    this.lockFile = lockFile;
    this.gateway = new GatewayClient(url);
  }

  /** @throws Error with what to do, when the home is in use or a port is taken */
  static async start(
    options: StartOptions,
    onNote: (line: string) => void,
    onGiveUp: (reason: string) => void,
  ): Promise<LocalCluster> {
    const home = path.resolve(options.home);
    mkdirSync(home, { recursive: true });
    const lockFile = takeLock(home);
    try {
      const natsPort = await freePort(0);
      const httpPort = await freePort(options.port);
      const group = new ProcessGroup(path.join(home, 'logs'), onNote, onGiveUp);
      const cluster = new LocalCluster(group, `http://127.0.0.1:${httpPort}`, lockFile);
      group.start(natsServer(home, natsPort, options.maxPayloadBytes));
      const env = {
        NATS_URL: `nats://127.0.0.1:${natsPort}`,
        HTTP_HOST: '127.0.0.1',
        HTTP_PORT: '0',
        LOG_FORMAT: 'json',
      };
      group.start(service('gateway', 'gateway', { ...env, HTTP_PORT: String(httpPort) }, 1));
      group.start(service('data-sharder', 'data-sharder', env, 1));
      for (let i = 0; i < options.shards; i++) group.start(service('parameter-shard', `parameter-shard-${i}`, env, 2));
      for (let i = 0; i < options.workers; i++) {
        group.start(service('worker', `worker-${i}`, { ...env, WORKER_THREADS: String(options.threads) }, 3));
      }
      return cluster;
    } catch (error) {
      rmSync(lockFile, { force: true });
      throw error;
    }
  }

  /** Waits until every process has joined. */
  async ready(options: StartOptions, onWait: (what: string) => void, signal: AbortSignal): Promise<void> {
    const wanted: [Role, number][] = [
      ['data-sharder', 1],
      ['parameter-shard', options.shards],
      ['worker', options.workers],
    ];
    const deadline = Date.now() + READY_TIMEOUT_MS;
    for (;;) {
      signal.throwIfAborted();
      const members = await this.gateway.members().catch(() => null);
      const missing = wanted
        .map(
          ([role, count]) => [role, count - (members ?? []).filter((member) => member.role === role).length] as const,
        )
        .filter(([, count]) => count > 0);
      if (members && missing.length === 0) return;
      const what = members ? missing.map(([role, count]) => `${count} ${role}`).join(', ') : 'the gateway';
      if (Date.now() > deadline)
        throw new Error(
          `waited ${READY_TIMEOUT_MS / 1000} s for ${what}: see the logs in ${path.resolve(options.home, 'logs')}`,
        );
      onWait(what);
      await sleep(250, undefined, { signal });
    }
  }

  async stop(): Promise<void> {
    await this.group.end();
    rmSync(this.lockFile, { force: true });
  }
}

function service(app: Role, name: string, env: Record<string, string>, rank: number) {
  return {
    name,
    command: process.execPath,
    args: [path.join(REPOSITORY, 'apps', app, 'dist/main.js')],
    env: { ...env, INSTANCE_NAME: name },
    rank,
  };
}

function natsServer(home: string, port: number, maxPayloadBytes: number) {
  const config = path.join(home, 'nats.conf');
  const quote = (text: string) => JSON.stringify(text);
  writeFileSync(
    config,
    // sync_interval is the server's own default; a power cut may cost what was written since.
    [
      `host: 127.0.0.1`,
      `port: ${port}`,
      `max_payload: ${maxPayloadBytes}`,
      // As in deploy/nats.conf.
      'max_pending: 1GB',
      `jetstream { store_dir: ${quote(path.join(home, 'nats'))} }`,
      '',
    ].join('\n'),
  );
  const command = process.env['NATS_SERVER'] ?? path.join(REPOSITORY, '.native/bin/nats-server');
  return { name: 'nats-server', command, args: ['--config', config], env: garbageCollection(), rank: 0 };
}

/** Go's collector takes a quarter of what nats-server does for messages of 100 KB: a fifth as often, where memory allows. As in docker-compose.yml. */
function garbageCollection() {
  const { GOGC = '400', GOMEMLIMIT = `${Math.floor(totalmem() / 8)}B` } = process.env;
  return { GOGC, GOMEMLIMIT };
}

/** One cluster for one home: two servers on one store would destroy it. */
function takeLock(home: string): string {
  const file = path.join(home, 'lock');
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return file;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const pid = Number(readFileSync(file, 'utf8'));
      if (isAlive(pid))
        throw new Error(
          `another Downpour (process ${pid}) runs in ${home}: stop it, or give this one a home of its own: --home DIR --port 0`,
          { cause: error },
        );
      rmSync(file, { force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** @throws Error when the port is taken */
function freePort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`port ${wanted} is in use: choose another with --port N, or --port 0 for any free one`)
          : error,
      ),
    );
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : wanted));
    });
  });
}
