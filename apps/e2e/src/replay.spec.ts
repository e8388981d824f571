import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectExactLedger, HttpCluster } from './http-cluster.ts';

const EXAMPLES = 60_000;
const CLI = path.resolve(import.meta.dirname, '../../cli/dist/main.js');
/** Everything that has a hand in what a gradient does, and changes on the way. */
const RATES = {
  updateRule: { kind: 'momentum', learningRate: 0.05 },
  learningRateSchedule: { kind: 'cosine', over: 0.9, alpha: 0.1, warmup: { over: 0.1 } },
  weightDecay: 0.01,
  gradientClip: { norm: 0.5 },
} as const;
const SPEC = { model: { zoo: 'logistic' }, dataset: 'mnist', batchSize: 256, epochs: 1, shards: 2 } as const;

interface Shown {
  same: boolean;
  first: { shard: number; version: number }[] | null;
  shards: { version: number; records: number; parameters: string }[];
  logs: { shards: { version: number }[] }[];
}

describe('downpour replay', () => {
  let cluster: HttpCluster;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'downpour-replay-'));
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 2, shards: 1 });
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await cluster?.stop();
  });
  const replay = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    const command = [CLI, 'replay', '--nats', cluster.nats!.url, ...args];
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, command, { maxBuffer: 2 ** 24 });
      return { code: 0, out: stdout, err: stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, out: stdout, err: stderr };
    }
  };
  const json = async (...args: string[]): Promise<Shown & { code: number }> => {
    const { code, out, err } = await replay('--json', ...args);
    if (code !== 0 && code !== 3) throw new Error(`${code}: ${err}`);
    return { ...(JSON.parse(out) as Shown), code };
  };

  it('rebuilds the very bits of a job from its log, from a file of it, and at any version', async () => {
    const { id } = await cluster.client.submit({ ...SPEC, ...RATES, keepLog: true });
    const job = await cluster.succeeded(id);
    expectExactLedger(job, EXAMPLES);
    expect(job.result!.accuracy).toBeGreaterThan(0.85);
    const [file, rebuilt] = [path.join(folder, 'run.dplog'), path.join(folder, 'model.safetensors')];
    const whole = await json(id, '--out', rebuilt, '--export', file);
    expect(whole.shards.map(({ version }) => version)).toEqual(job.ledger.map(({ applied }) => applied));
    // What the cluster held at the end, as its last checkpoint has it.
    const { number } = job.checkpoints.at(-1)!;
    const held = Buffer.from(await new Response(await cluster.client.checkpointModel(id, number)).arrayBuffer());
    const dataOf = (bytes: Buffer) => bytes.subarray(8 + Number(bytes.readBigUInt64LE()));
    const ours = dataOf(readFileSync(rebuilt));
    expect(ours.byteLength).toBe(4 * 7850);
    expect(Buffer.compare(ours, dataOf(held).subarray(0, ours.byteLength))).toBe(0);

    expect(await json(file, id)).toMatchObject({ code: 0, same: true, first: [] });
    const [once, again] = [await json(file, '--version', '100'), await json(id, '--version', '100')];
    expect(once.shards.map(({ version }) => version)).toEqual([100, 100]);
    expect(once.shards).toEqual(again.shards);
    const steps = await json(file, '--version', '100', '--against-version', '101');
    expect(steps).toMatchObject({ code: 3, same: false, first: null });
    expect(steps.logs.map(({ shards }) => shards.map(({ version }) => version))).toEqual([
      [100, 100],
      [101, 101],
    ]);
  });

  it('names the first version at which two runs differ', async () => {
    const submit = async (learningRate: number) => {
      const spec = { ...SPEC, shards: 1, keepLog: true, updateRule: { kind: 'sgd', learningRate } } as const;
      return (await cluster.succeeded((await cluster.client.submit(spec)).id)).id;
    };
    const [a, b] = [await submit(0.05), await submit(0.051)];
    const { code, first } = await json(a, b);
    expect([code, first]).toMatchObject([3, [{ shard: 0, version: 1 }]]);
    const { out } = await replay(a, b);
    expect(out).toMatch(/shard 0 differs from version 1 on\n +a +epoch 0, chunk \d+, push \d+ of worker/);
    expect(out).toMatch(/variable +differing +max abs +max relative +first\n.*kernel +\d+ of 7840 +\d/);
  });

  it('says what is wrong', async () => {
    const { id } = await cluster.client.submit({ ...SPEC });
    await cluster.succeeded(id);
    expect(await replay(id)).toMatchObject({ code: 1, err: expect.stringContaining('keepLog true') as string });
    expect(await replay('job-none')).toMatchObject({ code: 1, err: expect.stringContaining('no file') as string });
    expect(await replay()).toMatchObject({ code: 64, err: expect.stringContaining('one or two logs') as string });
  });
});
