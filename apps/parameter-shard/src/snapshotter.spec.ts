import { ParameterShard } from '@downpour/parameters';
import { fakeIdentity, fakeInitialParameters, MemoryPushLog, MemorySnapshotStore } from '@downpour/parameters/fakes';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { ProblemReporter } from './problem-reporter.ts';
import { ShardMetrics } from './shard.metrics.ts';
import { Snapshotter } from './snapshotter.ts';

/** Stores when it is told to, or fails. */
class GatedStore extends MemorySnapshotStore {
  readonly waiting: ((fail?: Error) => void)[] = [];

  override async save(position: number, bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => this.waiting.push((fail) => (fail ? reject(fail) : resolve())));
    await super.save(position, bytes);
  }
}

const begun = async (store: GatedStore): Promise<void> => {
  while (store.waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
};

const fixture = () => {
  const store = new GatedStore();
  let position = 0;
  const snapshots = new Snapshotter({
    shard: ParameterShard.initial(fakeIdentity(), fakeInitialParameters()),
    follower: { caughtUp: Promise.resolve(), safePosition: () => position, stop: async () => undefined },
    log: new MemoryPushLog(),
    store,
    damaged: new Set(),
    policy: { logBytes: 100, intervalMs: 1e9 },
    isOwner: () => true,
    problems: { tell: () => undefined } as unknown as ProblemReporter,
    metrics: new ShardMetrics(new Registry()),
  });
  const apply = (bytes: number): void => {
    position += 1;
    snapshots.applied(bytes);
  };
  return { store, snapshots, apply };
};

describe('the last snapshot of a shard', () => {
  it.each([
    { what: 'is stored', fail: undefined, stored: [2, 1] },
    { what: 'cannot be stored', fail: new Error('away'), stored: [1] },
  ])('is said to be there only once it is, to all who wait for it: it $what', async ({ fail, stored }) => {
    const { store, snapshots, apply } = fixture();
    apply(100);
    await begun(store);
    // Comes while one is on its way, so that both of these have to wait.
    apply(1);
    const answers: boolean[] = [];
    const both = Promise.all([0, 1].map(async () => answers.push(await snapshots.final())));
    store.waiting.shift()!();
    await begun(store);
    expect(answers).toEqual([]);
    store.waiting.shift()!(fail);
    await both;
    expect(answers).toEqual([!fail, !fail]);
    expect(snapshots.pending).toBe(fail !== undefined);
    expect(store.positions).toEqual(stored);
  });
});
