import type { DatasetLookup } from '@downpour/jobs';
import { Coordinator } from '@downpour/jobs';
import type { Logger } from '@downpour/platform';
import type { CoordinatorLease, GatewayPorts } from '../ports.ts';

const RETRY_MS = 1000;

/** Runs the coordinator while this gateway holds the lease, and only then. */
export class CoordinatorHost {
  readonly #ports: GatewayPorts;
  readonly #datasets: DatasetLookup;
  readonly #log: Logger;
  readonly #maxRunningJobs: number;
  #lease: CoordinatorLease | null = null;
  #coordinator: Coordinator | null = null;
  #offMembers: () => void = () => undefined;
  /** Gains and losses, one after another. */
  #turn: Promise<void> = Promise.resolve();
  #wanted = false;

  constructor(ports: GatewayPorts, datasets: DatasetLookup, log: Logger, maxRunningJobs: number) {
    this.#ports = ports;
    this.#datasets = datasets;
    this.#log = log;
    this.#maxRunningJobs = maxRunningJobs;
  }

  /** Gateway that hosts the coordinator, as far as this one knows. */
  get holder(): string | null {
    return this.#lease?.holder ?? null;
  }

  start(): void {
    this.#offMembers = this.#ports.cluster.onChange(() => this.#coordinator?.poke());
    this.#lease = this.#ports.lease({
      gained: () => this.#want(true),
      lost: () => this.#want(false),
    });
  }

  /** Lets go of all jobs, then of the lease: another gateway goes on at once. */
  async stop(): Promise<void> {
    this.#offMembers();
    this.#want(false);
    await this.#turn;
    await this.#lease?.stop();
    await this.#turn;
  }

  #want(wanted: boolean): void {
    this.#wanted = wanted;
    this.#turn = this.#turn.then(() => this.#follow());
  }

  async #follow(): Promise<void> {
    try {
      if (this.#wanted && this.#coordinator === null) await this.#begin();
      if (!this.#wanted) await this.#end();
    } catch (error) {
      this.#coordinator = null;
      this.#log.error({ err: error }, `The coordinator could not start; trying again in ${RETRY_MS} ms`);
      setTimeout(() => this.#want(this.#wanted), RETRY_MS).unref();
    }
  }

  async #begin(): Promise<void> {
    const { jobs, plans, coordinator: cluster, events } = this.#ports;
    this.#log.info('This gateway coordinates the jobs now');
    const coordinator = new Coordinator(
      { jobs, plans, cluster, events, datasets: this.#datasets, clock: { now: Date.now }, log: this.#log },
      { maxRunningJobs: this.#maxRunningJobs },
    );
    this.#coordinator = coordinator;
    await coordinator.start();
  }

  async #end(): Promise<void> {
    const coordinator = this.#coordinator;
    this.#coordinator = null;
    if (coordinator === null) return;
    await coordinator.stop();
    this.#log.info('This gateway coordinates the jobs no longer');
  }
}
