import type { JobSpecInput } from '@downpour/contracts';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

const CLI = path.resolve(import.meta.dirname, '../../cli/dist/main.js');
const VALUES = 7850;
const SPEC: JobSpecInput = {
  model: { zoo: 'logistic' },
  dataset: 'mnist',
  batchSize: 128,
  epochs: 3,
  shards: 2,
  updateRule: { kind: 'sgd', learningRate: 0.1 },
  evaluateEvery: 0.5,
  keepLog: true,
};

describe('reduceOnPlateau', () => {
  let cluster: HttpCluster;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'downpour-plateau-'));
  beforeAll(async () => {
    // Padded: unpadded, most of the job is trained before its second evaluation is through.
    cluster = await HttpCluster.start({ workers: 1, shards: 2, env: { STEP_PADDING_MS: '5' } });
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await cluster?.stop();
  });

  /** The parameters that were held at the end, and those that a replay of the log comes to. */
  const train = async (part: JobSpecInput | object) => {
    const job = await cluster.succeeded((await cluster.client.submit({ ...SPEC, ...part })).id);
    expectExactLedger(job, 3 * 60_000);
    const model = await cluster.client.checkpointModel(job.id, job.checkpoints.at(-1)!.number);
    const held = parametersOf(Buffer.from(await new Response(model).arrayBuffer()));
    const out = path.join(folder, `${job.id}.safetensors`);
    await promisify(execFile)(process.execPath, [CLI, 'replay', '--nats', cluster.nats!.url, job.id, '--out', out]);
    return { held, replayed: parametersOf(readFileSync(out)) };
  };

  it('lowers the rate on every shard at a place in its log: a replay comes to the same bits', async () => {
    // No evaluation is ever so much better than the first: each of the others lowers the rate.
    const never = { kind: 'reduceOnPlateau', patience: 1, minDelta: 1000, factor: 1e-9, minFactor: 1e-9 };
    const [still, lowered] = [await train({}), await train({ learningRateSchedule: never })];
    expect(lowered.replayed).toEqual(lowered.held);
    expect(still.replayed).toEqual(still.held);
    // Its steps are a thousandth of a millionth from the second evaluation on: it has not come as far.
    expect(norm(lowered.held)).toBeGreaterThan(0);
    expect(norm(lowered.held)).toBeLessThan(0.9 * norm(still.held));
  });
});

const norm = (values: Float32Array): number => Math.hypot(...values);

function parametersOf(file: Buffer): Float32Array {
  const data = file.subarray(8 + Number(file.readBigUInt64LE()));
  return new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + 4 * VALUES));
}
