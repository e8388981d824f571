import type { CheckpointManifest, JobPlan, KeyRange, UpdateRuleSpec } from '@downpour/contracts';
import { jobPlanSchema, jobSpecSchema, strategySchema } from '@downpour/contracts';
import { decodeSafetensorsHeader } from '@downpour/tensor';
import { describe, expect, it } from 'vitest';
import { fakeGradient, fakePushes } from '../fakes.ts';
import { scatterRanges } from '../key-range.ts';
import { ParameterShard } from '../parameter-shard.ts';
import { placeParameters } from '../placement/place-parameters.ts';
import type { PlacementName } from '../placement/place-parameters.ts';
import { shardIdentity } from '../shard-identity.ts';
import { captureShard } from './captured-shard.ts';
import { initialFromCheckpoint } from './initial-shard.ts';
import { originOf } from './origin.ts';
import { writeCheckpoint } from './write-checkpoint.ts';

const ADAM: UpdateRuleSpec = { kind: 'adam', learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };
const RMSPROP: UpdateRuleSpec = { kind: 'rmsprop', learningRate: 0.01, decay: 0.9, momentum: 0.5, epsilon: 1e-7 };
const SIZES = [
  { name: 'dense/kernel', shape: [7, 3], trainable: true },
  { name: 'dense/bias', shape: [3], trainable: true },
  { name: 'nothing', shape: [0, 2], trainable: true },
  { name: 'output/kernel', shape: [3, 4], trainable: true },
  { name: 'norm/moving_mean', shape: [5], trainable: false },
];
const CHUNKS = { examples: 50, chunkSize: 20, batchSize: 4, nPush: 2, epochs: 2, seed: 1 };

const planOf = (
  jobId: string,
  shards: number,
  { rule = ADAM, placement = 'split', chunks = CHUNKS, variables = SIZES }: Partial<PlanParts> = {},
): JobPlan => {
  let offset = 0;
  const placed = variables.map((variable) => {
    const length = variable.shape.reduce((product, size) => product * size, 1);
    offset += length;
    return { ...variable, offset: offset - length, length };
  });
  const trainableLength = placed.reduce((sum, { length, trainable }) => sum + (trainable ? length : 0), 0);
  const layout = { length: offset, trainableLength, variables: placed };
  return jobPlanSchema.parse({
    v: 1,
    jobId,
    spec: jobSpecSchema.parse({ model: { zoo: 'logistic' }, dataset: 'mnist', updateRule: rule }),
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
    topology: { class_name: 'Sequential' },
    layout,
    chunks,
    shards: placeParameters(layout, shards, placement).map((ranges, shard) => ({
      shard,
      ranges,
      instance: 'shard-a',
      ownership: 1,
    })),
    warmstartWorker: null,
    phase: 'training',
  });
};
interface PlanParts {
  rule: UpdateRuleSpec;
  placement: PlacementName;
  chunks: JobPlan['chunks'];
  variables: typeof SIZES;
}

/** Pushes from one to another, applied on each shard; the gradient of a value does not depend on the shard that holds it. */
const apply = (shards: readonly ParameterShard[], from: number, to: number): void => {
  for (const shard of shards) {
    const { jobId, shard: index, chunks, ranges, jobLength } = shard.identity;
    const pushes = fakePushes({ jobId, shard: index, chunks });
    for (let at = from; at < Math.min(to, pushes.length); at++) {
      const all = new Float32Array(fakeGradient(jobLength, at).data.buffer as ArrayBuffer);
      const own = ranges.flatMap(({ begin, end }) => [...all.subarray(begin, end)]);
      const gradient = {
        dtype: 'float32' as const,
        shape: [own.length],
        data: new Uint8Array(Float32Array.from(own).buffer),
      };
      shard.apply({ header: pushes[at]!, gradient, sequence: at + 1, firstSequence: at + 1 });
    }
  }
};

const begin = (plan: JobPlan): ParameterShard[] =>
  plan.shards.map(({ shard }) =>
    ParameterShard.initial(
      shardIdentity(plan, shard),
      Float32Array.from({ length: plan.layout.length }, (_, index) => Math.sin(index)),
    ),
  );

interface Written {
  manifest: CheckpointManifest;
  file: Buffer;
}
const write = async (
  plan: JobPlan,
  shards: readonly ParameterShard[],
  onCapture: () => void = () => undefined,
): Promise<Written> => {
  let copies = shards.map(captureShard);
  const parts: Uint8Array[] = [];
  const manifest = await writeCheckpoint(
    plan,
    { checkpoint: 3, why: 'requested' },
    {
      capture: async () => {
        onCapture();
        copies = shards.map(captureShard);
        return { slots: copies[0]!.slots, shards: copies.map(({ description }) => description) };
      },
      read: async (vector, { shard, begin: first, end }) => {
        const values = copies[shard]!.vectors[vector]!.subarray(first, end);
        return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      },
      writeModel: async (bytes) => {
        for await (const part of bytes) parts.push(part.slice());
        return { bytes: Buffer.concat(parts).byteLength, sha256: 'ab' };
      },
      writeManifest: async () => undefined,
    },
  );
  // As it crosses the network: JSON.
  return { manifest: JSON.parse(JSON.stringify(manifest)) as CheckpointManifest, file: Buffer.concat(parts) };
};

/** In pieces of another size each: nothing may depend on where the store cuts. */
async function* pieces(file: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.byteLength; at += size) yield file.subarray(at, at + size);
}

const resume = async (
  { manifest, file }: Written,
  plan: JobPlan,
  kind: 'resume' | 'warmStart' = 'resume',
  size = 13,
): Promise<ParameterShard[]> => {
  const origin = originOf(manifest, { kind, layout: plan.layout, chunks: plan.chunks, rule: plan.spec.updateRule });
  return Promise.all(
    plan.shards.map(({ shard }) =>
      initialFromCheckpoint(shardIdentity(plan, shard), origin, manifest, pieces(file, size)),
    ),
  );
};

/** The job's parameters and slots, from however many shards. */
const whole = (shards: readonly ParameterShard[], layoutLength: number): number[][] => {
  const vectors: Float32Array[] = [];
  for (const shard of shards) {
    const { parameters, slots } = shard.capture();
    for (const [index, vector] of [parameters, ...slots].entries()) {
      vectors[index] ??= new Float32Array(layoutLength);
      const ranges: KeyRange[] = shard.identity.ranges;
      const padded = new Float32Array(shard.identity.length);
      padded.set(vector);
      scatterRanges(padded, ranges, vectors[index]);
    }
  }
  return vectors.map((vector) => [...vector]);
};

describe('a checkpoint', () => {
  it.each([
    ['split', ADAM],
    ['roundRobin', ADAM],
    ['byteBalanced', RMSPROP],
  ] as const)('goes from 2 shards to 3 to 1 without a bit changing (%s, %o)', async (placement, rule) => {
    const undisturbed = begin(planOf('job-u', 1, { rule }));
    apply(undisturbed, 0, Infinity);

    const two = planOf('job-a', 2, { rule, placement });
    const first = begin(two);
    apply(first, 0, 5);
    const three = planOf('job-b', 3, { rule, placement });
    const second = await resume(await write(two, first), three);
    expect(whole(second, two.layout.length)).toEqual(whole(first, two.layout.length));
    apply(second, 5, 9);
    const one = planOf('job-c', 1, { rule, placement: 'split' });
    const third = await resume(await write(three, second), one);
    apply(third, 9, Infinity);

    expect(whole(third, one.layout.length)).toEqual(whole(undisturbed, one.layout.length));
    expect(third[0]!.ledger.complete).toBe(true);
    expect(third[0]!.version).toBe(undisturbed[0]!.version);
    expect(third[0]!.account('x')).toMatchObject({ duplicatesDropped: 0, examplesApplied: 100 });
  });

  it('has each variable under its name, with its shape, and what the rule remembers beside it', async () => {
    const plan = planOf('job-a', 2);
    const shards = begin(plan);
    apply(shards, 0, 3);
    const { file, manifest } = await write(plan, shards);
    const header = decodeSafetensorsHeader(file);
    expect(header.bytes).toBe(file.byteLength);
    expect(header.tensors.map(({ name }) => name)).toEqual([
      ...SIZES.map(({ name }) => name),
      ...['m', 'v'].flatMap((slot) =>
        SIZES.filter(({ trainable }) => trainable).map(({ name }) => `update-rule/${slot}/${name}`),
      ),
    ]);
    const [parameters, mean] = whole(shards, plan.layout.length);
    const valuesOf = (wanted: string): number[] => {
      const { begin: from, end } = header.tensors.find(({ name }) => name === wanted)!;
      return [...new Float32Array(new Uint8Array(file.subarray(from, end)).buffer)];
    };
    expect(valuesOf('dense/bias')).toEqual(parameters!.slice(21, 24));
    expect(valuesOf('norm/moving_mean')).toEqual(parameters!.slice(36));
    expect(valuesOf('update-rule/m/output/kernel')).toEqual(mean!.slice(24, 36));
    expect(manifest).toMatchObject({ epoch: 3 / 8, step: 3, exact: true, slots: ['m', 'v'] });
  });

  it('has the factor that the learning rate was at, of a job that changes it', async () => {
    const plan = planOf('job-a', 2);
    expect((await write(plan, begin(plan))).manifest.learningRateFactor).toBe(undefined);
    const control = { revision: 1, strategy: plan.spec.strategy, quorum: 1, learningRateFactor: 0.5 };
    const { manifest } = await write({ ...plan, control }, begin(plan));
    expect(manifest.learningRateFactor).toBe(0.5);
    const { layout, chunks, spec } = plan;
    const origin = originOf(manifest, { kind: 'resume', layout, chunks, rule: spec.updateRule });
    expect(origin.learningRateFactor).toBe(0.5);
  });

  it('says when its shards had not applied the same, and names the version of each', async () => {
    const plan = planOf('job-a', 2);
    const shards = begin(plan);
    apply([shards[0]!], 0, 5);
    apply([shards[1]!], 0, 3);
    const { manifest } = await write(plan, shards);
    expect(manifest.exact).toBe(false);
    expect(manifest.shards.map(({ version }) => version)).toEqual([5, 3]);
    expect(manifest).toMatchObject({ step: 3, epoch: 3 / 8 });
  });

  it('leaves to each shard what it has applied where the shards stay as they are', async () => {
    const plan = planOf('job-a', 2);
    const shards = begin(plan);
    apply([shards[0]!], 0, 5);
    apply([shards[1]!], 0, 3);
    const next = planOf('job-b', 2);
    const resumed = await resume(await write(plan, shards), next);
    expect(resumed.map(({ ledger }) => ledger.applied)).toEqual([5, 3]);
    apply(resumed, 0, Infinity);
    apply(shards, 0, Infinity);
    expect(whole(resumed, plan.layout.length)).toEqual(whole(shards, plan.layout.length));
  });

  it('counts as applied only what all of the old shards had where they are cut anew', async () => {
    const plan = planOf('job-a', 2);
    const shards = begin(plan);
    apply([shards[0]!], 0, 5);
    apply([shards[1]!], 0, 3);
    const [one] = await resume(await write(plan, shards), planOf('job-b', 1));
    expect(one!.ledger.applied).toBe(3);
    expect(one!.version).toBe(5);
  });

  it('tells which chunks need not be trained again', async () => {
    const plan = planOf('job-a', 2);
    const shards = begin(plan);
    // Chunks have 3, 3 and 2 pushes: the first epoch, and of the second the first chunk and a third of the next.
    apply(shards, 0, 12);
    const { manifest } = await write(plan, shards);
    const { layout, chunks, spec } = plan;
    const origin = originOf(manifest, { kind: 'resume', layout, chunks, rule: spec.updateRule });
    expect(origin).toMatchObject({ epoch: 1, updateRuleState: 'kept' });
    expect(origin.done).toEqual([{ epoch: 1, chunks: Buffer.from([0b001]).toString('base64') }]);
  });

  it('goes on from whole epochs where chunks are cut in another way', async () => {
    const plan = planOf('job-a', 2);
    const shards = begin(plan);
    apply(shards, 0, 12);
    const other = planOf('job-b', 3, { chunks: { ...CHUNKS, batchSize: 5, chunkSize: 10, epochs: 4 } });
    const written = await write(plan, shards);
    const resumed = await resume(written, other);
    for (const shard of resumed) {
      expect(shard.ledger.capture()).toMatchObject({ closed: [[0, 1]], open: [], examplesApplied: 50 });
      expect(shard.ledger.expected - shard.ledger.applied).toBe(3 * 5);
    }
    expect(whole(resumed, plan.layout.length)).toEqual(whole(shards, plan.layout.length));
  });

  it('starts what the rule remembers afresh under a rule of another kind', async () => {
    const plan = planOf('job-a', 2, { rule: ADAM });
    const shards = begin(plan);
    apply(shards, 0, 12);
    const other = planOf('job-b', 2, { rule: RMSPROP });
    const written = await write(plan, shards);
    const resumed = await resume(written, other);
    expect(resumed.map(({ version }) => version)).toEqual([0, 0]);
    const [parameters, ...slots] = whole(resumed, plan.layout.length);
    expect(parameters).toEqual(whole(shards, plan.layout.length)[0]);
    for (const slot of slots) expect(new Set(slot)).toEqual(new Set([0]));
    expect(resumed[0]!.ledger.applied).toBe(12);
  });

  it('gives a warm start the parameters and nothing else', async () => {
    const plan = planOf('job-a', 2);
    const shards = begin(plan);
    apply(shards, 0, 12);
    const started = await resume(await write(plan, shards), planOf('job-b', 3), 'warmStart', 1000);
    const [parameters, ...slots] = whole(started, plan.layout.length);
    expect(parameters).toEqual(whole(shards, plan.layout.length)[0]);
    for (const slot of slots) expect(new Set(slot)).toEqual(new Set([0]));
    for (const shard of started) expect([shard.version, shard.ledger.applied]).toEqual([0, 0]);
  });

  it('refuses another model, and names the first variable that differs', async () => {
    const plan = planOf('job-a', 2);
    const { manifest } = await write(plan, begin(plan));
    const variables = SIZES.map((variable) =>
      variable.name === 'dense/bias' ? { ...variable, shape: [4] } : variable,
    );
    const { layout } = planOf('job-b', 1, { variables });
    const beginner = { kind: 'resume', layout, chunks: CHUNKS, rule: ADAM } as const;
    expect(() => originOf(manifest, beginner)).toThrow('variable dense/bias [4], it has dense/bias [3]');
  });

  it('has the point of one iteration of sandblaster on all shards, and is no place to resume from', async () => {
    const plan = planOf('job-a', 2);
    const shards = begin(plan);
    plan.spec.strategy = strategySchema.parse({ kind: 'sandblaster' });
    apply([shards[0]!], 0, 1);
    let captures = 0;
    // The second takes the iteration in when it is asked for the third time.
    const { manifest } = await write(plan, shards, () => {
      captures += 1;
      if (captures === 3) apply([shards[1]!], 0, 1);
    });
    expect(captures).toBe(3);
    expect(manifest.shards.map(({ version }) => version)).toEqual([1, 1]);
    const { layout, chunks, spec } = plan;
    const beginner = { layout, chunks, rule: spec.updateRule };
    expect(() => originOf(manifest, { kind: 'resume', ...beginner })).toThrow('warmStartFrom');
    expect(originOf(manifest, { kind: 'warmStart', ...beginner })).toMatchObject({ kind: 'warmStart' });
  });

  it('refuses to go on when no epoch remains', async () => {
    const plan = planOf('job-a', 2);
    const shards = begin(plan);
    apply(shards, 0, Infinity);
    const { manifest } = await write(plan, shards);
    const beginner = { kind: 'resume', layout: plan.layout, chunks: CHUNKS, rule: ADAM } as const;
    expect(() => originOf(manifest, beginner)).toThrow('nothing remains of 2');
    expect(originOf(manifest, { ...beginner, chunks: { ...CHUNKS, epochs: 3 } }).epoch).toBe(2);
  });

  it('is not taken when it is cut off or of another job', async () => {
    const plan = planOf('job-a', 2);
    const { manifest, file } = await write(plan, begin(plan));
    await expect(resume({ manifest, file: file.subarray(0, -4) }, plan)).rejects.toThrow('ends too early');
    await expect(resume({ manifest, file: file.subarray(0, 100) }, plan)).rejects.toThrow('ends too early');
    const other = planOf('job-b', 2, { rule: RMSPROP });
    const foreign = await write(other, begin(other));
    await expect(resume({ manifest, file: foreign.file }, plan)).rejects.toThrow('other tensors');
  });
});
