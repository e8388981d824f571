import type { JobPlan } from '@downpour/contracts';
import { jobPlanSchema, jobSpecSchema } from '@downpour/contracts';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fakeGradient, fakePushes } from '../fakes.ts';
import { ParameterShard } from '../parameter-shard.ts';
import { placeParameters } from '../placement/place-parameters.ts';
import type { LoggedPush } from '../ports.ts';
import { shardIdentity } from '../shard-identity.ts';
import { compareVectors, firstDifference, sameBits } from './compare.ts';
import { openLogFile, writeLogFile } from './log-file.ts';
import { Replay } from './replay.ts';
import type { ReplaySource } from './replay.ts';

const VARIABLES = [
  { name: 'dense/kernel', shape: [20], offset: 0, length: 20, trainable: true },
  { name: 'dense/bias', shape: [4], offset: 20, length: 4, trainable: true },
  { name: 'norm/mean', shape: [6], offset: 24, length: 6, trainable: false },
];
const LAYOUT = { length: 30, trainableLength: 24, variables: VARIABLES };

const plan: JobPlan = jobPlanSchema.parse({
  v: 1,
  jobId: 'job-a',
  spec: jobSpecSchema.parse({ model: { zoo: 'logistic' }, dataset: 'mnist' }),
  dataset: {
    id: 'mnist',
    summary: {
      trainExamples: 50,
      testExamples: 0,
      featureShape: [1],
      featureType: 'float32',
      labelKind: 'number',
      classes: 0,
      labelWidth: 1,
    },
  },
  topology: {},
  layout: LAYOUT,
  chunks: { examples: 50, chunkSize: 20, batchSize: 4, nPush: 2, epochs: 2, seed: 1 },
  shards: placeParameters(LAYOUT, 2, 'split').map((ranges, shard) => ({ shard, ranges, instance: 's', ownership: 1 })),
  warmstartWorker: null,
  phase: 'training',
});

/** Every push of the job, the third of each shard twice; `change` may spoil one. */
const sourceOf = (name: string, change: (push: LoggedPush, shard: number, at: number) => LoggedPush = (push) => push) =>
  ({
    name,
    plan,
    initial: async (shard) =>
      ParameterShard.initial(
        shardIdentity(plan, shard),
        Float32Array.from({ length: 30 }, (_, at) => Math.sin(at)),
      ),
    records: async function* (shard) {
      const { length } = shardIdentity(plan, shard);
      const pushes = fakePushes({ jobId: plan.jobId, shard, chunks: plan.chunks });
      let sequence = 0;
      for (const [at, header] of pushes.entries())
        for (let again = 0; again < (at === 2 ? 2 : 1); again++) {
          sequence += 1;
          const push = { header, gradient: fakeGradient(length, at), sequence, firstSequence: sequence };
          yield change(push, shard, at);
        }
    },
  }) satisfies ReplaySource;

describe('a replay', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'downpour-replay-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const at = async (source: ReplaySource, shard: number, version: number): Promise<Replay> => {
    const replay = await Replay.begin(source, shard);
    await replay.to(version);
    await replay.close();
    return replay;
  };

  it('gives the same bits each time, for every version, and knows the push that made it', async () => {
    for (let version = 0; version <= 16; version++) {
      const [a, b] = [await at(sourceOf('a'), 1, version), await at(sourceOf('a'), 1, version)];
      expect(a.shard.version).toBe(version);
      expect(sameBits(a.shard.parameters, b.shard.parameters)).toBe(true);
    }
    const four = await at(sourceOf('a'), 0, 4);
    expect(four.last).toMatchObject({ epoch: 0, chunk: 1, push: 0 });
    // One of the five was a double.
    expect(four.records).toBe(5);
    expect((await at(sourceOf('a'), 0, Infinity)).shard.ledger.complete).toBe(true);
  });

  it('finds the first version at which two logs differ, and who made it', async () => {
    expect(await firstDifference(sourceOf('a'), sourceOf('b'), 0)).toBeNull();
    const spoilt = sourceOf('b', (push, shard, index) => {
      if (shard !== 1 || index !== 5) return push;
      const data = push.gradient.data.slice();
      new Float32Array(data.buffer)[3] = 1e9;
      return { ...push, header: { ...push.header, worker: 'worker-evil' }, gradient: { ...push.gradient, data } };
    });
    expect(await firstDifference(sourceOf('a'), spoilt, 0)).toBeNull();
    expect(await firstDifference(sourceOf('a'), spoilt, 1, 5)).toBeNull();
    const found = await firstDifference(sourceOf('a'), spoilt, 1);
    expect(found).toMatchObject({ shard: 1, version: 6, a: { worker: 'worker-a' }, b: { worker: 'worker-evil' } });
  });

  it('tells how vectors differ, by variable', () => {
    const a = Float32Array.from({ length: 30 }, () => 2);
    const b = a.slice();
    b[3] = 2.5;
    b[7] = 1;
    b[25] = NaN;
    const differences = compareVectors(LAYOUT, a, b, [{ begin: 0, end: 30 }]);
    expect(differences).toEqual([
      {
        name: 'dense/kernel',
        differing: 2,
        values: 20,
        maxAbs: 1,
        maxRelative: 0.5,
        first: { index: 3, a: 2, b: 2.5 },
      },
      { name: 'dense/bias', differing: 0, values: 4, maxAbs: 0, maxRelative: 0, first: null },
      { name: 'norm/mean', differing: 1, values: 6, maxAbs: NaN, maxRelative: NaN, first: { index: 1, a: 2, b: NaN } },
    ]);
    expect(
      compareVectors(LAYOUT, a, b, [{ begin: 4, end: 22 }]).map(({ values, differing }) => [values, differing]),
    ).toEqual([
      [16, 1],
      [2, 0],
    ]);
  });

  it('of a file gives the bits of the log that was written to it', async () => {
    const file = path.join(folder, 'a.dplog');
    expect((await writeLogFile(sourceOf('a'), file)).pushes).toBe(34);
    const read = await openLogFile(file);
    expect(read.plan).toEqual(plan);
    for (const shard of [0, 1]) {
      expect(await firstDifference(sourceOf('a'), read, shard)).toBeNull();
      const [a, b] = [await at(sourceOf('a'), shard, Infinity), await at(read, shard, Infinity)];
      expect(b.records).toBe(a.records);
      expect(b.shard.capture()).toEqual(a.shard.capture());
    }
  });

  it('is refused of a file that is cut off, damaged, or something else', async () => {
    const whole = path.join(folder, 'whole.dplog');
    await writeLogFile(sourceOf('a'), whole);
    const bytes = readFileSync(whole);
    const refusal = async (changed: Uint8Array): Promise<string> => {
      const file = path.join(folder, 'changed.dplog');
      writeFileSync(file, changed);
      return openLogFile(file).then(
        () => '',
        (error: Error) => error.message,
      );
    };
    expect(await refusal(bytes.subarray(0, -10))).toContain('cut off');
    expect(await refusal(bytes.subarray(0, 5000))).toContain('cut off');
    const flipped = Buffer.from(bytes);
    flipped[bytes.byteLength - 500]! ^= 1;
    expect(await refusal(flipped)).toContain('damaged');
    expect(await refusal(Buffer.from('something else'))).toContain('does not begin like one');
  });
});
