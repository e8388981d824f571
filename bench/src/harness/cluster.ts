import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { GatewayClient } from '@downpour/client';
import { endProcess, guard, onEnd } from './cleanup.ts';
import { CpuMeter, processTree } from './cpu-meter.ts';

export interface ClusterSize {
  workers: number;
  /** Parameter-shard processes. */
  shards: number;
  /** Added to the environment of every service. */
  env?: Record<string, string>;
}

const CLI = path.resolve(import.meta.dirname, '../../../apps/cli/dist/main.js');
const READY_TIMEOUT_MS = 90_000;
/** The launcher gives each rank of its services 11 s. */
const STOP_GRACE_MS = 50_000;

/** A whole system as users have it: `downpour start --serve-only`, every service and nats-server a process. */
export class Cluster {
  readonly client: GatewayClient;
  readonly url: string;
  readonly natsUrl: string;
  /** Every process of it, nats-server and the launcher included. */
  readonly meter: CpuMeter;
  readonly stop: () => Promise<void>;

  private constructor(url: string, natsUrl: string, meter: CpuMeter, stop: () => Promise<void>) {
    this.url = url;
    this.natsUrl = natsUrl;
    this.client = new GatewayClient(url);
    this.meter = meter;
    this.stop = stop;
  }

  static async start({ workers, shards, env = {} }: ClusterSize): Promise<Cluster> {
    const home = await mkdtemp(path.join(tmpdir(), 'downpour-bench-'));
    const args = ['--serve-only', '--port', '0', '--workers', `${workers}`, '--shards', `${shards}`, '--home', home];
    const child = spawn(process.execPath, [CLI, 'start', ...args], {
      env: { ...process.env, LOG_LEVEL: 'warn', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // Ctrl-C reaches this process alone, which ends the others in order.
    });
    guard(child);
    const stop = onEnd(async () => {
      await endProcess(child, STOP_GRACE_MS);
      await rm(home, { recursive: true, force: true });
    });
    try {
      let output = '';
      const url = await new Promise<string>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`The system was not up in time:\n${output}`)),
          READY_TIMEOUT_MS,
        );
        const read = (text: string) => {
          output += text;
          const found = /API (http:\/\/[\d.]+:\d+)\/v1/.exec(output)?.[1];
          if (found === undefined) return;
          clearTimeout(timer);
          resolve(found);
        };
        child.stdout.setEncoding('utf8').on('data', read);
        child.stderr.setEncoding('utf8').on('data', read);
        child.once('exit', () => reject(new Error(`The system ended at its start:\n${output}`)));
      });
      const processes = processTree(child.pid!).map(({ pid, command }) => ({ pid, role: roleOf(command) }));
      const port = /^port: (\d+)$/m.exec(await readFile(path.join(home, 'nats.conf'), 'utf8'))?.[1];
      const meter = new CpuMeter(processes.filter(({ role }) => role !== 'watchdog'));
      return new Cluster(url, `nats://127.0.0.1:${port}`, meter, stop);
    } catch (error) {
      await stop();
      throw error;
    }
  }
}

function roleOf(command: string): string {
  if (command.includes('nats-server')) return 'nats-server';
  const app = /apps\/([a-z-]+)\/dist\/([a-z]+)\.js/.exec(command);
  if (app?.[2] === 'watchdog') return 'watchdog';
  return app?.[1] ?? 'other';
}
