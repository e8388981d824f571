import { DownpourError } from '@downpour/contracts';
import type { ExamplesRequest } from '@downpour/contracts';
import { permutation } from '@downpour/datasets';
import { decodeFrame, encodeFrame } from '@downpour/tensor';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DatasetCache } from './dataset-cache.ts';
import { DatasetLoader } from './dataset-loader.ts';
import { DatasetsService } from './datasets.service.ts';
import { EpochsService } from './epochs.service.ts';
import { ExamplesService } from './examples.service.ts';
import { FakeCluster, NUMBERS_SPEC, numbersCsv, planOf } from './fakes.ts';
import { OrderCache } from './order-cache.ts';
import { SharderMetrics } from './sharder.metrics.ts';

const LIMITS = { maxBytes: 2 ** 30, maxEntries: 1000 };

describe('the sharder', () => {
  let cluster: FakeCluster;
  let loader: DatasetLoader;
  let datasets: DatasetsService;
  let epochs: EpochsService;
  let examples: ExamplesService;
  let registry: Registry;

  const build = (limits = LIMITS): void => {
    cluster = new FakeCluster();
    registry = new Registry();
    loader = new DatasetLoader(cluster, limits, undefined);
    datasets = new DatasetsService(cluster, loader, new DatasetCache(2 ** 30, new SharderMetrics(registry)));
    const orders = new OrderCache();
    epochs = new EpochsService(cluster, cluster, datasets, orders);
    examples = new ExamplesService(datasets, orders);
  };
  beforeEach(() => build());
  afterEach(() => loader.close());

  const ask = async (more: Partial<ExamplesRequest>) => {
    const { header, tensors } = await examples.cut({
      type: 'examples',
      v: 1,
      datasetId: 'numbers',
      split: 'train',
      order: null,
      begin: 0,
      end: 1,
      ...more,
    });
    return decodeFrame(encodeFrame(header, tensors));
  };
  const floats = (data: Uint8Array | undefined): number[] => Array.from(new Float32Array(data!.slice().buffer));
  const errorOf = async (promise: Promise<unknown>): Promise<DownpourError> => {
    const error = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(DownpourError);
    return error as DownpourError;
  };

  describe('serving examples', () => {
    it('cuts the epoch by its permutation, features and labels together', async () => {
      cluster.upload('numbers', NUMBERS_SPEC, { train: numbersCsv(10) });
      const { header, tensors } = await ask({ order: { seed: 5, epoch: 1 }, begin: 3, end: 6 });
      const rows = [...permutation(5, 1, 10).subarray(3, 6)];
      expect(header).toEqual({ type: 'examples', v: 1, examples: 3 });
      expect(tensors['features']).toMatchObject({ dtype: 'float32', shape: [3, 1] });
      expect(tensors['labels']).toMatchObject({ dtype: 'float32', shape: [3, 1] });
      expect(floats(tensors['features']?.data)).toEqual(rows);
      expect(floats(tensors['labels']?.data)).toEqual(rows.map((row) => row * 10));
    });

    it('leaves images as bytes', async () => {
      const { tensors } = await ask({ datasetId: 'mnist', split: 'test', end: 2 });
      expect(tensors['features']).toMatchObject({ dtype: 'uint8', shape: [2, 28, 28, 1] });
      expect(tensors['features']?.data.byteLength).toBe(2 * 784);
      expect(tensors['labels']).toMatchObject({ dtype: 'int32', shape: [2] });
      expect([...new Int32Array(tensors['labels']!.data.slice().buffer)]).toEqual([7, 2]);
    });

    it('reads a data set once, however many ask at once', async () => {
      cluster.upload('numbers', NUMBERS_SPEC, { train: numbersCsv(10) });
      await Promise.all([ask({}), ask({ begin: 1, end: 2 }), ask({ begin: 9, end: 10 })]);
      await ask({});
      expect(cluster.reads).toBe(1);
      expect(await registry.getSingleMetricAsString('downpour_dataset_cache_misses_total')).toContain('_total 1');
    });

    it('says no to what is not there', async () => {
      expect((await errorOf(ask({ datasetId: 'nothing' }))).code).toBe('not-found');
      cluster.upload('numbers', NUMBERS_SPEC, { train: numbersCsv(10) });
      const beyond = await errorOf(ask({ begin: 8, end: 11 }));
      expect(beyond.code).toBe('invalid-request');
      expect(beyond.message).toContain('the train split has 10');
      expect((await errorOf(ask({ split: 'test' }))).message).toContain('the test split has 0');
    });
  });

  describe('inspecting', () => {
    it('says what is in an upload that has no record yet, and keeps it in memory for the job that follows', async () => {
      const record = cluster.upload('numbers', NUMBERS_SPEC, { train: numbersCsv(20) });
      cluster.records.clear();
      const source = { kind: 'uploaded', spec: NUMBERS_SPEC, files: record.files } as const;
      const { summary } = await datasets.inspect({ datasetId: 'numbers', source });
      expect(summary).toMatchObject({ trainExamples: 20, featureShape: [1], labelKind: 'number' });
      cluster.records.set('numbers', { ...record, spec: { ...NUMBERS_SPEC, name: 'another name' } });
      await ask({});
      expect(cluster.reads).toBe(1);
    });

    it('says what is wrong with one: the code, the file and the place survive the thread', async () => {
      const record = cluster.upload('bad', NUMBERS_SPEC, { train: Buffer.from('a,label\n1,2\nNaN,3\n') });
      const source = { kind: 'uploaded', spec: NUMBERS_SPEC, files: record.files } as const;
      const error = await errorOf(datasets.inspect({ datasetId: 'bad', source }));
      expect(error.code).toBe('invalid-dataset');
      expect(error.field).toBe('train');
      expect(error.message).toContain('line 3, column "a" is "NaN"');
    });

    it('does not fetch files that are too large', async () => {
      build({ ...LIMITS, maxBytes: 10 });
      const record = cluster.upload('numbers', NUMBERS_SPEC, { train: numbersCsv(10) });
      const source = { kind: 'uploaded', spec: NUMBERS_SPEC, files: record.files } as const;
      expect((await errorOf(datasets.inspect({ datasetId: 'numbers', source }))).code).toBe('too-large');
      expect(cluster.reads).toBe(0);
    });

    it('goes on answering while a thread parses', async () => {
      const record = cluster.upload('numbers', NUMBERS_SPEC, { train: numbersCsv(150_000) });
      let ticks = 0;
      const timer = setInterval(() => ticks++, 10);
      const begun = performance.now();
      await datasets.inspect({ datasetId: 'n', source: { kind: 'uploaded', spec: NUMBERS_SPEC, files: record.files } });
      clearInterval(timer);
      // A main thread that parsed would tick not at all.
      expect(ticks).toBeGreaterThan((performance.now() - begun) / 10 / 10);
    });

    it('gives up when the process leaves', async () => {
      const record = cluster.upload('numbers', NUMBERS_SPEC, { train: numbersCsv(150_000) });
      const inspecting = errorOf(
        datasets.inspect({ datasetId: 'n', source: { kind: 'uploaded', spec: NUMBERS_SPEC, files: record.files } }),
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
      await loader.close();
      expect((await inspecting).code).toBe('unavailable');
    });
  });

  describe('enqueueing an epoch', () => {
    it('puts every chunk in once, however often it is asked', async () => {
      cluster.plans.set('job', planOf('job', 'mnist'));
      expect(await epochs.enqueue({ jobId: 'job', epoch: 1 })).toBe(4);
      expect(await epochs.enqueue({ jobId: 'job', epoch: 1 })).toBe(4);
      expect([...cluster.queued.values()]).toEqual(
        [0, 1, 2, 3].map((chunk) => ({ type: 'chunk', v: 1, jobId: 'job', epoch: 1, chunk })),
      );
    });

    it('leaves out the chunks that the checkpoint has from which a job begins', async () => {
      const bits = Buffer.from([0b0101]).toString('base64');
      const origin = {
        kind: 'resume',
        job: 'first',
        checkpoint: 1,
        epoch: 1,
        examples: 0,
        updateRuleState: 'kept',
      } as const;
      cluster.plans.set('job', {
        ...planOf('job', 'mnist'),
        origin: { ...origin, done: [{ epoch: 1, chunks: bits }] },
      });
      expect(await epochs.enqueue({ jobId: 'job', epoch: 1 })).toBe(2);
      expect([...cluster.queued.values()].map(({ chunk }) => chunk)).toEqual([1, 3]);
      expect(await epochs.enqueue({ jobId: 'job', epoch: 0 })).toBe(4);
    });

    it('says no when the job does not run, is finishing, or has no such epoch', async () => {
      expect((await errorOf(epochs.enqueue({ jobId: 'job', epoch: 0 }))).code).toBe('not-found');
      cluster.plans.set('job', { ...planOf('job', 'mnist'), phase: 'finishing' });
      expect((await errorOf(epochs.enqueue({ jobId: 'job', epoch: 0 }))).code).toBe('conflict');
      cluster.plans.set('job', planOf('job', 'mnist'));
      const error = await errorOf(epochs.enqueue({ jobId: 'job', epoch: 2 }));
      expect([error.code, error.field]).toEqual(['invalid-request', 'epoch']);
      expect(cluster.queued.size).toBe(0);
    });

    it('reads the data set meanwhile, so that the first worker need not wait', async () => {
      cluster.upload('numbers', NUMBERS_SPEC, { train: numbersCsv(10) });
      cluster.plans.set('job', planOf('job', 'numbers'));
      await epochs.enqueue({ jobId: 'job', epoch: 0 });
      await ask({});
      expect(cluster.reads).toBe(1);
    });
  });
});
