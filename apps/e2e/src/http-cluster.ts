import { GatewayClient } from '@downpour/client';
import type { JobRecord, Role } from '@downpour/contracts';
import { startNatsServer, until, type NatsServer } from '@downpour/testing';
import { expect } from 'vitest';
import { ServiceProcess } from './service-process.ts';

export interface ClusterSize {
  workers: number;
  shards: number;
  maxPayloadBytes?: number;
  /** NATS servers that are there already, separated by commas. @default one of its own */
  servers?: string;
  env?: Record<string, string>;
}

/** A whole cluster as users have it: every service a process, spoken to over HTTP. */
export class HttpCluster {
  /** Null where the servers were given. */
  readonly nats: NatsServer | null;
  readonly processes: ServiceProcess[] = [];
  readonly #env: Record<string, string>;
  #client: GatewayClient | null = null;
  #url = '';

  private constructor(nats: NatsServer | null, env: Record<string, string>) {
    this.nats = nats;
    this.#env = env;
  }

  static async start({ workers, shards, maxPayloadBytes, servers, env = {} }: ClusterSize): Promise<HttpCluster> {
    const nats =
      servers === undefined ? await startNatsServer(maxPayloadBytes === undefined ? {} : { maxPayloadBytes }) : null;
    const cluster = new HttpCluster(nats, { NATS_URL: servers ?? nats!.url, ...env });
    await Promise.all([
      cluster.add('gateway', 1),
      cluster.add('data-sharder', 1),
      cluster.add('parameter-shard', shards),
      cluster.add('worker', workers),
    ]);
    await cluster.#connect();
    await until(
      'every member to be known',
      async () => (await cluster.client.members()).length === cluster.processes.length,
      20_000,
    );
    return cluster;
  }

  get client(): GatewayClient {
    if (!this.#client) throw new Error('the cluster has not been started');
    return this.#client;
  }

  get url(): string {
    return this.#url;
  }

  of(role: Role): ServiceProcess[] {
    return this.processes.filter((process) => process.role === role);
  }

  async add(role: Role, count: number, env: Record<string, string> = {}): Promise<ServiceProcess[]> {
    const started = Array.from(
      { length: count },
      () => new ServiceProcess(role, { INSTANCE_NAME: role, ...this.#env, ...env }),
    );
    this.processes.push(...started);
    await Promise.all(started.map((process) => process.ready()));
    return started;
  }

  /** Kills the gateway and starts another, at another port or at that one. */
  async replaceGateway(port?: string): Promise<void> {
    this.of('gateway').at(-1)!.signal('SIGKILL');
    await this.add('gateway', 1, port === undefined ? {} : { HTTP_PORT: port });
    await this.#connect();
  }

  async #connect(): Promise<void> {
    this.#url = await this.of('gateway').at(-1)!.url();
    this.#client = new GatewayClient(this.#url);
  }

  /** The job's record once it has succeeded. Fails with every log when it did anything else. */
  async succeeded(id: string): Promise<JobRecord & { result: NonNullable<JobRecord['result']> }> {
    const signal = AbortSignal.timeout(170_000);
    const job = await this.client.untilTerminal(id, { signal, pollMs: 200 }).catch(async (error: unknown) => {
      throw new Error(`job ${id}: ${String(error)}\n${JSON.stringify(await this.client.job(id))}\n${this.logs()}`);
    });
    expect(job.state, `${job.reason}\n${this.logs()}`).toBe('succeeded');
    return job as JobRecord & { result: NonNullable<JobRecord['result']> };
  }

  logs(): string {
    return this.processes.map(({ role, pid, log }) => `--- ${role} ${pid}\n${log.slice(-3000)}`).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.stop()));
    await this.nats?.stop();
  }
}

/** Every example of every epoch counted once, on every shard. */
export function expectExactLedger(job: JobRecord, examples: number): void {
  expect(job.ledger.length).toBeGreaterThan(0);
  for (const { applied, expected, lateDropped, examplesApplied } of job.ledger) {
    expect({ applied, lateDropped, examplesApplied }).toEqual({
      applied: expected,
      lateDropped: 0,
      examplesApplied: examples,
    });
  }
}
