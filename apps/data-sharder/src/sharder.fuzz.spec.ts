import {
  enqueueEpochReplySchema,
  errorReplySchema,
  examplesReplySchema,
  inspectDatasetReplySchema,
  subjects,
} from '@downpour/contracts';
import { NatsStrategy } from '@downpour/nats';
import { Loopback, MutatedFrames } from '@downpour/nats/testing';
import type { FrameSample } from '@downpour/nats/testing';
import { decodeFrame } from '@downpour/tensor';
import { fuzzPlan, tellFuzz } from '@downpour/testing';
import { Registry } from 'prom-client';
import { afterAll, expect, it } from 'vitest';
import { DatasetCache } from './dataset-cache.ts';
import { DatasetLoader } from './dataset-loader.ts';
import { DatasetsService } from './datasets.service.ts';
import { EpochsService } from './epochs.service.ts';
import { ExamplesService } from './examples.service.ts';
import { FakeCluster, NUMBERS_SPEC, numbersCsv, planOf } from './fakes.ts';
import { OrderCache } from './order-cache.ts';
import { SharderController } from './sharder.controller.ts';
import { SharderMetrics } from './sharder.metrics.ts';

const { frames, seed, timeoutMs } = fuzzPlan();
/** Each reads a data set in a thread of its own. */
const INSPECTIONS = Math.min(200, frames / 20);

const cluster = new FakeCluster();
const metrics = new SharderMetrics(new Registry());
const loader = new DatasetLoader(cluster, { maxBytes: 2 ** 20, maxEntries: 100 }, undefined);
const datasets = new DatasetsService(cluster, loader, new DatasetCache(2 ** 30, metrics));
const orders = new OrderCache();
const controller = new SharderController(
  datasets,
  new EpochsService(cluster, cluster, datasets, orders),
  new ExamplesService(datasets, orders),
  metrics,
);
afterAll(() => loader.close());

it(
  'a sharder that is sent nonsense answers each request, or says why not, and enqueues nothing that the plan has not',
  async () => {
    const record = cluster.upload('numbers', NUMBERS_SPEC, { train: numbersCsv(10) });
    cluster.plans.set('job-a', planOf('job-a', 'numbers'));
    const loopback = new Loopback();
    const strategy = new NatsStrategy(loopback.link, { instance: 'sharder-a' });
    strategy.addHandler(subjects.examples, (frame) => controller.examples(frame as never));
    strategy.addHandler(subjects.enqueueEpoch, (frame) => controller.enqueueEpoch(frame as never));
    strategy.addHandler(subjects.inspectDataset, (frame) => controller.inspectDataset(frame as never));
    strategy.listen(() => undefined);
    const examples = { type: 'examples', v: 1, datasetId: 'numbers', split: 'train', begin: 2, end: 5 };
    const source = { kind: 'uploaded', spec: record.spec, files: record.files };
    const cheap: FrameSample[] = [
      { header: { ...examples, order: { seed: 5, epoch: 1 } } },
      { header: { ...examples, order: null } },
      { header: { type: 'enqueueEpoch', v: 1, jobId: 'job-a', epoch: 1 } },
    ];
    const costly: FrameSample[] = [{ header: { type: 'inspectDataset', v: 1, datasetId: 'numbers', source } }];
    const replies = {
      [subjects.examples]: examplesReplySchema,
      [subjects.enqueueEpoch]: enqueueEpochReplySchema,
      [subjects.inspectDataset]: inspectDatasetReplySchema,
    };
    let answered = 0;
    const send = async (subject: keyof typeof replies, bytes: Uint8Array) => {
      const { header } = decodeFrame(await loopback.ask(subject, bytes));
      const refusal = errorReplySchema.safeParse(header);
      if (refusal.success) expect(refusal.data.error.code, refusal.data.error.message).not.toBe('internal');
      else {
        replies[subject].parse(header);
        answered += 1;
      }
    };
    const mutated = new MutatedFrames(seed, cheap);
    for (let round = 0; round < frames; round++)
      await send(mutated.random.pick([subjects.examples, subjects.enqueueEpoch]), mutated.next());
    const inspections = new MutatedFrames(seed, costly);
    for (let round = 0; round < INSPECTIONS; round++) await send(subjects.inspectDataset, inspections.next());
    expect(loopback.link.refusals.total).toBe(frames + INSPECTIONS - answered);
    expect(loopback.link.refusals.list().map(({ reason }) => reason)).not.toContain('internal');
    for (const { jobId, epoch, chunk } of cluster.queued.values()) {
      expect(jobId).toBe('job-a');
      expect(epoch).toBeLessThan(2);
      expect(chunk).toBeLessThan(4);
    }
    tellFuzz(
      `data-sharder: ${frames + INSPECTIONS} mutated requests, ${answered} answered`,
      loopback.link.refusals.list(),
    );
    await strategy.close();
  },
  timeoutMs,
);
