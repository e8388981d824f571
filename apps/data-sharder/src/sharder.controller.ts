import type { EnqueueEpochReply, InspectDatasetReply } from '@downpour/contracts';
import {
  enqueueEpochRequestSchema,
  examplesRequestSchema,
  inspectDatasetRequestSchema,
  queueGroups,
  subjects,
} from '@downpour/contracts';
import { FrameHandler } from '@downpour/nats';
import type { TensorFrame } from '@downpour/tensor';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { DatasetsService } from './datasets.service.ts';
import { EpochsService } from './epochs.service.ts';
import { ExamplesService } from './examples.service.ts';
import type { ExamplesFrame } from './examples.service.ts';
import { SharderMetrics } from './sharder.metrics.ts';

/** Any sharder may answer: all of them hold the same data. */
const SHARED = { queue: queueGroups.sharders };

/** What the others ask of a data-sharder. */
@Controller()
export class SharderController {
  readonly #datasets: DatasetsService;
  readonly #epochs: EpochsService;
  readonly #examples: ExamplesService;
  readonly #metrics: SharderMetrics;

  constructor(datasets: DatasetsService, epochs: EpochsService, examples: ExamplesService, metrics: SharderMetrics) {
    this.#datasets = datasets;
    this.#epochs = epochs;
    this.#examples = examples;
    this.#metrics = metrics;
  }

  @FrameHandler(subjects.inspectDataset, SHARED)
  async inspectDataset(@Payload() frame: TensorFrame): Promise<TensorFrame<InspectDatasetReply>> {
    const { summary } = await this.#datasets.inspect(inspectDatasetRequestSchema.parse(frame.header));
    return { header: { type: 'datasetInspected', v: 1, summary }, tensors: {} };
  }

  @FrameHandler(subjects.enqueueEpoch, SHARED)
  async enqueueEpoch(@Payload() frame: TensorFrame): Promise<TensorFrame<EnqueueEpochReply>> {
    const { jobId, epoch } = enqueueEpochRequestSchema.parse(frame.header);
    const chunks = await this.#epochs.enqueue({ jobId, epoch });
    this.#metrics.chunksEnqueued.inc(chunks);
    return { header: { type: 'epochEnqueued', v: 1, jobId, epoch, chunks }, tensors: {} };
  }

  @FrameHandler(subjects.examples, SHARED)
  async examples(@Payload() frame: TensorFrame): Promise<ExamplesFrame> {
    const reply = await this.#examples.cut(examplesRequestSchema.parse(frame.header));
    this.#metrics.examplesServed.inc(reply.header.examples);
    for (const tensor of Object.values(reply.tensors)) this.#metrics.bytesServed.inc(tensor.data.byteLength);
    return reply;
  }
}
