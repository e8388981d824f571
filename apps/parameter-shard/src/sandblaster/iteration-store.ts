import { DownpourError } from '@downpour/contracts';
import type { JobPlan } from '@downpour/contracts';
import type { ShardIdentity, StoredIteration } from '@downpour/parameters';
import { BatchShard, initialFromCheckpoint, openIteration, ownOfVector, sealSnapshot } from '@downpour/parameters';
import type { ShardPorts } from '../ports.ts';

/** The newest, and the one before: when a shard dies some may have stored one that others have not. */
const KEPT_ITERATIONS = 2;

export interface FoundIteration {
  iteration: number;
  state: string | null;
  batch: BatchShard;
}

/** Where the iterations of one shard are stored: snapshots, named by iteration. */
export class IterationStore {
  readonly #plan: JobPlan;
  readonly #identity: ShardIdentity;
  readonly #history: number;
  readonly #ports: ShardPorts;

  constructor(plan: JobPlan, identity: ShardIdentity, history: number, ports: ShardPorts) {
    this.#plan = plan;
    this.#identity = identity;
    this.#history = history;
    this.#ports = ports;
  }

  /** The newest that is whole, else the job's beginning. */
  async newest(onDamaged: (name: string, error: Error) => void): Promise<FoundIteration> {
    for (const { name } of await this.#store.list()) {
      try {
        return this.#restored(await openIteration(await this.#store.load(name), this.#identity));
      } catch (error) {
        if (!(error instanceof Error) || (error.name !== 'SnapshotError' && !isCorrupt(error))) throw error;
        onDamaged(name, error);
      }
    }
    return this.#beginning();
  }

  /** That one; -1: the job's beginning. @throws DownpourError not-found */
  async at(iteration: number): Promise<FoundIteration> {
    if (iteration < 0) return this.#beginning();
    const stored = (await this.#store.list()).find(({ position }) => position === iteration);
    if (stored === undefined)
      throw new DownpourError('not-found', `Shard ${this.#identity.shard} has no iteration ${iteration} (any more)`);
    return this.#restored(await openIteration(await this.#store.load(stored.name), this.#identity));
  }

  /** Of those before only the last is kept, and nothing of those after: they are of a run that was given up. */
  async save(iteration: number, file: Uint8Array, isOwner: () => boolean): Promise<void> {
    const bytes = await sealSnapshot(file);
    if (!isOwner()) return;
    await this.#store.save(iteration, bytes);
    for (const { name, position } of await this.#store.list())
      if ((position > iteration || position <= iteration - KEPT_ITERATIONS) && isOwner())
        await this.#store.remove(name);
  }

  async discard(): Promise<void> {
    for (const { name } of await this.#store.list()) await this.#store.remove(name);
  }

  get #store() {
    return this.#ports.snapshots(this.#identity.jobId, this.#identity.shard);
  }

  #restored(stored: StoredIteration): FoundIteration {
    const { iteration, state } = stored;
    return { iteration, state, batch: BatchShard.restore(this.#identity, this.#history, stored) };
  }

  async #beginning(): Promise<FoundIteration> {
    const batch = BatchShard.initial(this.#identity, this.#history, await this.#initialPoint());
    return { iteration: -1, state: null, batch };
  }

  async #initialPoint(): Promise<Float32Array> {
    const { origin } = this.#plan;
    if (origin !== undefined) {
      const { manifest, file } = await this.#ports.checkpoint(origin.job, origin.checkpoint);
      return (await initialFromCheckpoint(this.#identity, origin, manifest, file)).parameters;
    }
    return ownOfVector(this.#identity, await this.#ports.initialParameters(this.#identity.jobId));
  }
}

const isCorrupt = (error: Error): boolean => error instanceof DownpourError && error.code === 'internal';
