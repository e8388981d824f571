import type { DatasetSummary, InspectDatasetReply } from '@downpour/contracts';
import { DownpourError, inspectDatasetRequestSchema, objects, subjects } from '@downpour/contracts';
import { connectNats, FrameHandler, Membership, NatsStrategy, ObjectStore } from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Payload } from '@nestjs/microservices';

export const SUMMARY: DatasetSummary = {
  trainExamples: 90,
  testExamples: 10,
  featureShape: [4],
  featureType: 'float32',
  labelKind: 'class',
  classes: 3,
  labelWidth: 1,
};

/** Reads every upload the same way; refuses files that say "bad". */
export class FakeSharder {
  readonly inspected: string[] = [];
  summary = SUMMARY;
  stop: () => Promise<void> = async () => undefined;

  static async start(url: string): Promise<FakeSharder> {
    const sharder = new FakeSharder();
    const link = await connectNats({ servers: url });
    const store = new ObjectStore(link);

    @Controller()
    class InspectController {
      @FrameHandler(subjects.inspectDataset, { queue: 'sharders' })
      async inspect(@Payload() frame: { header: unknown }): Promise<{ header: InspectDatasetReply; tensors: object }> {
        const { datasetId, source } = inspectDatasetRequestSchema.parse(frame.header);
        sharder.inspected.push(datasetId);
        const files = source.kind === 'uploaded' ? source.files : [];
        for (const { field, digest } of files) {
          const text = Buffer.from(await store.get(objects.datasetFile(digest))).toString();
          if (text.startsWith('bad')) {
            throw new DownpourError('invalid-dataset', `${field} line 2 is bad`, { field });
          }
        }
        return { header: { type: 'datasetInspected', v: 1, summary: sharder.summary }, tensors: {} };
      }
    }
    @Module({ controllers: [InspectController] })
    class SharderModule {}

    const strategy = new NatsStrategy(link, { instance: 'sharder-1' });
    const app = await NestFactory.createMicroservice(SharderModule, { strategy, logger: false });
    await app.listen();
    const membership = await join(link, 'data-sharder', 'sharder-1');
    sharder.stop = async () => {
      await membership.stop();
      await app.close();
      await link.close();
    };
    return sharder;
  }
}

export async function join(
  link: NatsLink,
  role: 'data-sharder' | 'worker' | 'parameter-shard',
  instance: string,
): Promise<Membership> {
  const membership = await Membership.start(link);
  const startedAt = new Date().toISOString();
  await membership.join({ role, instance, host: 'h', pid: 1, startedAt, version: '0', draining: false, details: {} });
  return membership;
}
