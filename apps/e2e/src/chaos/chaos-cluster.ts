import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayClient } from '@downpour/client';
import type { Role } from '@downpour/contracts';
import { freePort, startNatsServer } from '@downpour/testing';
import type { ChaosMember } from './chaos-member.ts';
import { ChaosNats, ChaosService } from './chaos-member.ts';

export interface ChaosSize {
  workers: number;
  shards: number;
  sharders: number;
  gateways: number;
}

export interface ChaosClusterOptions extends ChaosSize {
  logFolder: string;
  onDeath: (name: string, how: string) => void;
  /** For each worker. */
  workerEnv?: Record<string, string>;
}

/** Small enough that shards take snapshots, and logs are trimmed, many times in a run. */
const SNAPSHOT_LOG_BYTES = 32 * 2 ** 20;
const SNAPSHOT_INTERVAL_MS = 5000;
/** A frozen gateway takes connections and says nothing: the next one is asked. */
const CALL_MS = 3000;
const RETRY_MS = 200;

/** A whole cluster on this machine in which everybody may be killed. */
export class ChaosCluster {
  readonly members: readonly ChaosMember[];
  readonly #gateways: readonly GatewayClient[];
  #next = 0;

  private constructor(members: readonly ChaosMember[], gateways: readonly GatewayClient[]) {
    this.members = members;
    this.#gateways = gateways;
  }

  /** Resolves once every process is ready. */
  static async start(options: ChaosClusterOptions): Promise<ChaosCluster> {
    const { logFolder, onDeath } = options;
    const nats = await startNatsServer({ maxPayloadBytes: 8 * 2 ** 20 });
    const members: ChaosMember[] = [new ChaosNats(nats)];
    const ports = await Promise.all(Array.from({ length: options.gateways }, () => freePort()));
    const gateways = ports.map((port) => new GatewayClient(`http://127.0.0.1:${port}`));
    const cluster = new ChaosCluster(members, gateways);
    const snapshots = {
      SNAPSHOT_LOG_BYTES: String(SNAPSHOT_LOG_BYTES),
      SNAPSHOT_INTERVAL_MS: String(SNAPSHOT_INTERVAL_MS),
    };
    const wanted: [Role, Record<string, string>[]][] = [
      ['gateway', ports.map((port) => ({ HTTP_PORT: String(port) }))],
      ['data-sharder', Array.from({ length: options.sharders }, () => ({}))],
      ['parameter-shard', Array.from({ length: options.shards }, () => snapshots)],
      ['worker', Array.from({ length: options.workers }, () => options.workerEnv ?? {})],
    ];
    try {
      const started: ChaosService[] = [];
      for (const [role, envs] of wanted)
        for (const [index, env] of envs.entries()) {
          const name = `${role}-${index}`;
          const service = await ChaosService.start({ name, role, natsPort: nats.port, env, logFolder, onDeath });
          members.push(service);
          started.push(service);
        }
      await Promise.all(started.map((service) => service.ready()));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Asks one gateway after the other until one answers. @throws the signal's reason, or what a gateway says of the request itself */
  async ask<T>(call: (gateway: GatewayClient) => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const gateway = this.#gateways[this.#next % this.#gateways.length] as GatewayClient;
      const answered = call(gateway).then(
        (value) => ({ value }),
        (error: unknown) => {
          if (isRefusal(error)) throw error;
          return null;
        },
      );
      const answer = await Promise.race([answered, sleep(CALL_MS, null, { ref: false })]);
      if (answer !== null) return answer.value;
      this.#next += 1;
      await sleep(RETRY_MS);
    }
  }

  async stop(): Promise<void> {
    const [nats, ...services] = this.members;
    await Promise.all(services.map((service) => service.stop()));
    await nats?.stop();
  }
}

/** The request is at fault (4xx): to ask again would not help. */
const isRefusal = (error: unknown): boolean => {
  const status = (error as { status?: number }).status ?? 0;
  return status >= 400 && status < 500 && status !== 404 && status !== 429;
};
