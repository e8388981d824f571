import type { EnqueueEpochReply, ExamplesReply, InspectDatasetReply } from '@downpour/contracts';
import {
  describeIssues,
  DownpourError,
  enqueueEpochRequestSchema,
  examplesRequestSchema,
  inspectDatasetRequestSchema,
  queueGroups,
  subjects,
} from '@downpour/contracts';
import type { TensorFrame } from '@downpour/tensor';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { z } from 'zod';
import { DatasetsService } from './datasets.service.ts';
import { EpochsService } from './epochs.service.ts';
import { ExamplesService } from './examples.service.ts';
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

  @MessagePattern(subjects.inspectDataset, SHARED)
  async inspectDataset(@Payload() frame: TensorFrame): Promise<TensorFrame<InspectDatasetReply>> {
    const { summary } = await this.#datasets.inspect(parse(inspectDatasetRequestSchema, frame));
    return { header: { type: 'datasetInspected', v: 1, summary }, tensors: {} };
  }

  @MessagePattern(subjects.enqueueEpoch, SHARED)
  async enqueueEpoch(@Payload() frame: TensorFrame): Promise<TensorFrame<EnqueueEpochReply>> {
    const { jobId, epoch } = parse(enqueueEpochRequestSchema, frame);
    const chunks = await this.#epochs.enqueue({ jobId, epoch });
    this.#metrics.chunksEnqueued.inc(chunks);
    return { header: { type: 'epochEnqueued', v: 1, jobId, epoch, chunks }, tensors: {} };
  }

  @MessagePattern(subjects.examples, SHARED)
  async examples(@Payload() frame: TensorFrame): Promise<TensorFrame<ExamplesReply>> {
    const reply = await this.#examples.cut(parse(examplesRequestSchema, frame));
    this.#metrics.examplesServed.inc(reply.header.examples);
    for (const tensor of Object.values(reply.tensors)) this.#metrics.bytesServed.inc(tensor.data.byteLength);
    return reply;
  }
}

const parse = <S extends z.ZodType>(schema: S, frame: TensorFrame): z.output<S> => {
  const parsed = schema.safeParse(frame.header);
  if (parsed.success) return parsed.data;
  const [issue] = describeIssues(parsed.error);
  throw new DownpourError('invalid-request', `${issue?.field}: ${issue?.message}`, { field: issue?.field });
};
