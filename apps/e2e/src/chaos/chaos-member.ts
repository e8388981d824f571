import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Role } from '@downpour/contracts';
import type { FaultKind, FaultTarget, NatsServer, TcpProxy } from '@downpour/testing';
import { startTcpProxy } from '@downpour/testing';
import { ServiceProcess } from '../service-process.ts';

/** One that faults befall. */
export interface ChaosMember extends FaultTarget {
  readonly role: Role | 'nats-server';
  /** Brings the fault about and resolves when it is over; a killed one is ready again then. */
  suffer(kind: FaultKind, lengthMs: number, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** A nats-server frozen for longer makes every client give it up, which `kill` does, too. */
const LONGEST_FREEZE_OF_NATS_MS = 15_000;
const DELAY_MS = 150;
/** A dozen processes that load TensorFlow at once, on a machine that has other work as well. */
const READY_MS = 240_000;

/** The one nats-server: its streams are files, so it may be killed. */
export class ChaosNats implements ChaosMember {
  readonly name = 'nats-server';
  readonly role = 'nats-server';
  readonly kinds: readonly FaultKind[] = ['kill', 'freeze'];
  readonly longestMs = LONGEST_FREEZE_OF_NATS_MS;
  readonly #server: NatsServer;
  /** Kills and freezes that overlap are one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(server: NatsServer) {
    this.#server = server;
  }

  suffer(kind: FaultKind, lengthMs: number, signal: AbortSignal): Promise<void> {
    this.#turn = this.#turn.then(() => this.#sufferNow(kind, lengthMs, signal));
    return this.#turn;
  }

  async stop(): Promise<void> {
    await this.#turn;
    await this.#server.stop();
  }

  async #sufferNow(kind: FaultKind, lengthMs: number, signal: AbortSignal): Promise<void> {
    if (kind === 'kill') {
      await this.#server.kill();
      await pause(lengthMs, signal);
      await this.#server.restart();
    } else {
      this.#server.freeze();
      await pause(lengthMs, signal);
      this.#server.thaw();
    }
  }
}

export interface ChaosServiceOptions {
  name: string;
  role: Role;
  natsPort: number;
  env: Record<string, string>;
  logFolder: string;
  /** It ended, and nobody had killed it. */
  onDeath: (name: string, how: string) => void;
}

/** A service that is started again whenever it ends, with a way to NATS of its own that can be disturbed. */
export class ChaosService implements ChaosMember {
  readonly name: string;
  readonly role: Role;
  readonly kinds: readonly FaultKind[] = ['kill', 'freeze', 'partition', 'cut', 'delay'];
  readonly #options: ChaosServiceOptions;
  readonly #way: TcpProxy;
  #process: ServiceProcess;
  #killed = false;
  #stopped = false;
  /** Disturbances at work: the last to end puts things right. */
  #frozen = 0;
  #disturbed = 0;

  private constructor(options: ChaosServiceOptions, way: TcpProxy) {
    this.name = options.name;
    this.role = options.role;
    this.#options = options;
    this.#way = way;
    this.#process = this.#start();
  }

  static async start(options: ChaosServiceOptions): Promise<ChaosService> {
    mkdirSync(options.logFolder, { recursive: true });
    return new ChaosService(options, await startTcpProxy({ targetPort: options.natsPort }));
  }

  /** Resolves once it says that it is ready. */
  ready(): Promise<void> {
    return this.#process.ready(READY_MS);
  }

  async suffer(kind: FaultKind, lengthMs: number, signal: AbortSignal): Promise<void> {
    if (kind === 'kill') await this.#kill(lengthMs, signal);
    else if (kind === 'freeze') await this.#freeze(lengthMs, signal);
    else await this.#disturb(kind, lengthMs, signal);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#way.pass();
    this.#process.signal('SIGCONT');
    await this.#process.stop();
    await this.#way.stop();
  }

  async #kill(absentMs: number, signal: AbortSignal): Promise<void> {
    this.#killed = true;
    this.#process.signal('SIGKILL');
    await this.#process.exited;
    await pause(absentMs, signal);
    if (signal.aborted || this.#stopped) return;
    this.#killed = false;
    const started = this.#start();
    this.#process = started;
    // It may be killed again before it is ready.
    await Promise.race([started.ready(READY_MS), started.exited, aborted(signal)]);
  }

  async #freeze(lengthMs: number, signal: AbortSignal): Promise<void> {
    const frozen = this.#process;
    this.#frozen += 1;
    frozen.signal('SIGSTOP');
    await pause(lengthMs, signal);
    this.#frozen -= 1;
    if (this.#frozen === 0 || frozen !== this.#process) frozen.signal('SIGCONT');
  }

  async #disturb(kind: FaultKind, lengthMs: number, signal: AbortSignal): Promise<void> {
    this.#disturbed += 1;
    if (kind === 'partition') this.#way.stall();
    else if (kind === 'cut') this.#way.cut();
    else this.#way.delay(DELAY_MS);
    await pause(lengthMs, signal);
    this.#disturbed -= 1;
    if (this.#disturbed === 0) this.#way.pass();
  }

  #start(): ServiceProcess {
    const { name, role, env, logFolder, onDeath } = this.#options;
    const started = new ServiceProcess(
      role,
      { INSTANCE_NAME: name, LOG_LEVEL: 'info', ...env, NATS_URL: this.#way.url },
      path.join(logFolder, `${name}.log`),
    );
    void started.exited.then(({ code, signal }) => {
      if (this.#killed || this.#stopped || started !== this.#process) return;
      onDeath(name, `${signal ?? `exit code ${code}`}: ${started.log.slice(-1500)}`);
      this.#process = this.#start();
    });
    return started;
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<unknown> =>
  sleep(ms, undefined, { signal }).catch(() => undefined);

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
