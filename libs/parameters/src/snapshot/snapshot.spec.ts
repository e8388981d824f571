import { describe, expect, it } from 'vitest';
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
import { defaultLogBytes, SnapshotPolicy } from './snapshot-policy.ts';
import { encodeSnapshot, openSnapshot, sealSnapshot } from './snapshot.ts';

const identity = fakeIdentity();
const initialShard = async () => ParameterShard.initial(identity, fakeInitialParameters());
const trained = (pushes: number, of = identity): ParameterShard => {
  const shard = ParameterShard.initial(of, fakeInitialParameters());
  for (const [index, header] of fakePushes(of).slice(0, pushes).entries())
    shard.apply({ header, gradient: fakeGradient(7, index), sequence: index + 1, firstSequence: index + 1 });
  return shard;
};

describe('a snapshot', () => {
  it.each([0, 1, 7, 10, 16])('holds all of a shard after %i pushes, to the bit', async (pushes) => {
    const shard = trained(pushes);
    const bytes = await sealSnapshot(encodeSnapshot(shard, 42));
    const opened = await openSnapshot(bytes, identity);
    expect(opened.position).toBe(42);
    expect(opened.shard.capture()).toEqual(shard.capture());
    expect(await sealSnapshot(encodeSnapshot(opened.shard, 42))).toEqual(bytes);
  });

  it('is as the shard was when it was taken', async () => {
    const shard = trained(3);
    const bytes = encodeSnapshot(shard, 3);
    const before = shard.parameters.slice();
    shard.apply({ header: fakePushes(identity)[3]!, gradient: fakeGradient(7, 3), sequence: 4, firstSequence: 4 });
    const opened = await openSnapshot(await sealSnapshot(bytes), identity);
    expect(opened.shard.parameters).toEqual(before);
    expect(opened.shard.version).toBe(3);
  });

  it('can lie anywhere in memory', async () => {
    const bytes = await sealSnapshot(encodeSnapshot(trained(3), 3));
    const shifted = new Uint8Array(bytes.byteLength + 1);
    shifted.set(bytes, 1);
    expect((await openSnapshot(shifted.subarray(1), identity)).shard.version).toBe(3);
  });

  it('is refused whichever bit of it is wrong', async () => {
    const bytes = await sealSnapshot(encodeSnapshot(trained(3), 3));
    for (let at = 0; at < bytes.byteLength; at++) {
      bytes[at]! ^= 1 << (at % 8);
      await expect(openSnapshot(bytes, identity)).rejects.toThrow('cannot be used');
      bytes[at]! ^= 1 << (at % 8);
    }
  });

  it('is refused when it ends early, or was never sealed', async () => {
    const unsealed = encodeSnapshot(trained(3), 3);
    await expect(openSnapshot(unsealed, identity)).rejects.toThrow('digest');
    const bytes = await sealSnapshot(unsealed);
    for (const length of [0, 7, 31, 32, 33, 64, bytes.byteLength - 1])
      await expect(openSnapshot(bytes.subarray(0, length), identity)).rejects.toThrow('cannot be used');
  });

  it.each([
    ['jobId', { jobId: 'job-b' }],
    ['shard', { shard: 2 }],
    ['ranges', { ranges: [{ begin: 0, end: 7 }] }],
    ['rule', { rule: { kind: 'adam' as const, learningRate: 0.02, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } }],
    ['chunks', { chunks: { ...identity.chunks, batchSize: 5 } }],
  ])('of another %s is refused', async (field, part) => {
    const bytes = await sealSnapshot(encodeSnapshot(trained(1), 1));
    await expect(openSnapshot(bytes, fakeIdentity(part))).rejects.toThrow(`${field} differs`);
  });
});

describe('keepSnapshot', () => {
  it('keeps two and the log behind the older one of them', async () => {
    const [store, log] = [new MemorySnapshotStore(), new MemoryPushLog()];
    const shard = trained(0);
    for (const [index, header] of fakePushes(identity).slice(0, 4).entries()) {
      const gradient = fakeGradient(7, index);
      const sequence = log.append(header, gradient);
      shard.apply({ header, gradient, sequence, firstSequence: sequence });
      await keepSnapshot(shard, sequence, store, log);
      if (sequence === 1) expect(log.sequences).toEqual([1]);
    }
    expect(store.positions).toEqual([4, 3]);
    expect(log.sequences).toEqual([4]);
  });
});

describe('keepSnapshot after a recovery', () => {
  it('does not count a damaged snapshot among the two', async () => {
    const [store, log] = [new MemorySnapshotStore(), new MemoryPushLog()];
    for (const position of [3, 5]) await keepSnapshot(trained(position), position, store, log);
    store.damage(5, 100);
    const { damaged } = await recoverShard(identity, { store, initialShard });
    await keepSnapshot(trained(7), 7, store, log, damaged);
    expect(store.positions).toEqual([7, 3]);
  });
});

describe('recoverShard', () => {
  const stored = async (positions: number[]) => {
    const [store, log] = [new MemorySnapshotStore(), new MemoryPushLog()];
    for (const position of positions) await keepSnapshot(trained(position), position, store, log);
    return store;
  };

  it('begins with the initial parameters where there is no snapshot', async () => {
    const { shard, position } = await recoverShard(identity, { store: await stored([]), initialShard });
    expect([shard.version, position]).toEqual([0, 0]);
  });

  it('takes the newest snapshot, or the one before it when that is damaged', async () => {
    const store = await stored([3, 5]);
    expect((await recoverShard(identity, { store, initialShard })).position).toBe(5);
    store.damage(5, 100);
    const damaged: string[] = [];
    const onDamaged = (name: string) => damaged.push(name);
    const { shard, position } = await recoverShard(identity, { store, initialShard, onDamaged });
    expect([shard.version, position, damaged]).toEqual([3, 3, ['5']]);
  });

  it('begins anew when the only snapshot is damaged, for the log is whole', async () => {
    const store = await stored([3]);
    store.damage(3, 100);
    expect((await recoverShard(identity, { store, initialShard })).position).toBe(0);
  });

  it('says that the shard is lost when both are damaged: the log before them is gone', async () => {
    const store = await stored([3, 5]);
    store.damage(3, 100);
    store.damage(5, 100);
    await expect(recoverShard(identity, { store, initialShard })).rejects.toThrow(ShardLostError);
  });

  it('says so when the initial parameters do not fit, and lets other failures through to be tried again', async () => {
    const store = await stored([]);
    await expect(
      recoverShard(identity, {
        store,
        initialShard: async () => ParameterShard.initial(identity, new Float32Array(3)),
      }),
    ).rejects.toThrow(ShardLostError);
    store.failing = true;
    await expect(recoverShard(identity, { store, initialShard })).rejects.toThrow('away');
  });
});

describe('SnapshotPolicy', () => {
  it('is due after so many bytes, or after so long with something new', () => {
    const policy = new SnapshotPolicy({ logBytes: 100, intervalMs: 1000 }, 5, 0);
    expect(policy.due(5000)).toBe(false);
    policy.applied(60);
    expect([policy.due(999), policy.due(1000)]).toEqual([false, true]);
    policy.applied(60);
    expect(policy.due(1)).toBe(true);
    policy.taken(1);
    expect([policy.due(5000), policy.pending]).toEqual([false, false]);
  });

  it.each([
    [1, 16],
    [10, 40],
    [100, 256],
    [1000, 1000],
  ])('lets a shard of %i MiB take one after %i MiB of gradients where nobody says otherwise', (state, log) => {
    expect(defaultLogBytes(state * 2 ** 20)).toBe(log * 2 ** 20);
  });
});
