import type { JobSpecInput } from '@downpour/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

const EXAMPLES = 60_000;
/** One worker and no log between it and the shards: chunks come in one order, and each gradient is computed on what the one before has made. */
const SPEC: JobSpecInput = {
  model: { zoo: 'mlp', hiddenUnits: [32] },
  dataset: 'mnist',
  chunkSize: 4096,
  epochs: 1,
  shards: 2,
  log: { storage: 'none' },
  updateRule: { kind: 'sgd', learningRate: 0.05 },
  weightDecay: 0.01,
  gradientClip: { norm: 1 },
  learningRateSchedule: { kind: 'exponential', over: 1, rate: 0.1 },
};

describe('gradient accumulation', () => {
  let cluster: HttpCluster;
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 1, shards: 1 });
  });
  afterAll(() => cluster?.stop());

  const train = async (size: { batchSize: number; gradientAccumulation?: number }) => {
    const job = await cluster.succeeded((await cluster.client.submit({ ...SPEC, ...size })).id);
    expectExactLedger(job, EXAMPLES);
    const model = await cluster.client.checkpointModel(job.id, job.checkpoints.at(-1)!.number);
    const file = Buffer.from(await new Response(model).arrayBuffer());
    const data = file.subarray(8 + Number(file.readBigUInt64LE()));
    return { job, parameters: new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)) };
  };

  it('of four batches of 64 gives, to 1e-5, the parameters of batches of 256: clipped, with decay and a falling rate', async () => {
    const large = await train({ batchSize: 256 });
    const accumulated = await train({ batchSize: 64, gradientAccumulation: 4 });
    expect(accumulated.job.ledger.map(({ applied }) => applied)).toEqual(
      large.job.ledger.map(({ applied }) => applied),
    );
    expect(accumulated.parameters).toHaveLength(784 * 32 + 32 + 32 * 10 + 10);
    let worst = 0;
    for (const [i, value] of large.parameters.entries())
      worst = Math.max(worst, Math.abs(value - accumulated.parameters[i]!));
    expect(worst).toBeLessThan(1e-5);
  });
});
