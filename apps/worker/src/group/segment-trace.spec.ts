import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SegmentTrace } from './segment-trace.ts';

describe('A trace of a partition', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(path.join(os.tmpdir(), 'downpour-trace-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const errors: Error[] = [];
  const onError = (error: Error) => void errors.push(error);
  const written = () => JSON.parse(readFileSync(path.join(folder, 'deeper/w-1.trace.json'), 'utf8')) as object[];
  const time = { jobId: 'job', partition: 1, step: 2, segment: 3, microBatch: 4 };

  it('has a complete event for each forward and backward, in microseconds since 1970', async () => {
    const trace = SegmentTrace.open(path.join(folder, 'deeper'), 'w-1', onError);
    const beganMs = performance.now();
    trace.add({ ...time, direction: 'forward', beganMs, ms: 1.5 });
    trace.add({ ...time, direction: 'backward', beganMs: beganMs + 2, ms: 3 });
    await trace.close();
    const args = { job: 'job', step: 2, segment: 3, microBatch: 4 };
    const [forward, backward] = written() as { ts: number }[];
    expect(forward).toMatchObject({ name: 'forward 4', cat: 'forward', ph: 'X', dur: 1500, tid: 1, args });
    expect(backward).toMatchObject({ name: 'backward 4', cat: 'backward', dur: 3000 });
    expect(Math.abs(forward!.ts / 1000 - Date.now())).toBeLessThan(10_000);
    expect(backward!.ts - forward!.ts).toBeCloseTo(2000, -1);
  });

  it('is an empty array of a worker that was in no group', async () => {
    await SegmentTrace.open(path.join(folder, 'deeper'), 'w-1', onError).close();
    expect(written()).toEqual([]);
  });

  it('that cannot be written is said, and given up', async () => {
    const trace = SegmentTrace.open(folder, 'no/such/folder', onError);
    await new Promise((resolve) => setTimeout(resolve, 50));
    trace.add({ ...time, direction: 'forward', beganMs: 0, ms: 1 });
    await trace.close();
    expect(errors).toMatchObject([{ code: 'ENOENT' }]);
  });
});
