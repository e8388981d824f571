import { DownpourError } from '@downpour/contracts';
import { expect, it } from 'vitest';
import {
  fakeGradient,
  fakeIdentity,
  fakeInitialParameters,
  fakePushes,
  MemoryPushLog,
  MemorySnapshotStore,
} from '../fakes.ts';
import { ParameterShard } from '../parameter-shard.ts';
import { keepSnapshot } from './keep-snapshot.ts';
import { recoverShard, ShardLostError } from './recover-shard.ts';
import { logShare, SnapshotPolicy } from './snapshot-policy.ts';

const identity = fakeIdentity();

it('a snapshot that is stored twice lets the whole log go, and either copy can be recovered from', async () => {
  const shard = ParameterShard.initial(identity, fakeInitialParameters());
  const log = new MemoryPushLog();
  const store = new MemorySnapshotStore();
  for (const [at, header] of fakePushes(identity).slice(0, 10).entries()) {
    const sequence = log.append(header, fakeGradient(7, at));
    shard.apply({ header, gradient: fakeGradient(7, at), sequence, firstSequence: sequence });
  }
  await keepSnapshot(shard, 10, store, log, new Set(), () => true, true);
  expect(log.sequences).toEqual([10]);
  for (const damaged of [null, 10]) {
    if (damaged !== null) store.damage(damaged, 60);
    const options = { store, initialShard: () => Promise.reject(new Error('not to be asked')) };
    const recovered = await recoverShard(identity, options);
    expect(recovered.position).toBe(10);
    expect(recovered.shard.parameters).toEqual(shard.parameters);
    expect(recovered.shard.ledger.capture()).toEqual(shard.ledger.capture());
  }
});

it('a shard without snapshots is lost when the initial parameters are gone, and not while the store is away', async () => {
  const recover = (code: 'not-found' | 'unavailable') =>
    recoverShard(identity, {
      store: new MemorySnapshotStore(),
      initialShard: () => Promise.reject(new DownpourError(code, 'no')),
    });
  await expect(recover('not-found')).rejects.toThrow(ShardLostError);
  await expect(recover('unavailable')).rejects.toMatchObject({ code: 'unavailable' });
});

it("snapshots are due four times within a shard's part of a small log", () => {
  const mostLogBytes = logShare(1000, 250, 1000);
  expect(mostLogBytes).toBe(62);
  const policy = new SnapshotPolicy({ intervalMs: 1e9, mostLogBytes }, 4, 0);
  policy.applied(61);
  expect(policy.due(1)).toBe(false);
  policy.applied(1);
  expect(policy.due(1)).toBe(true);
});
