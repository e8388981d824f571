import type { RestoreVectorsReply, VectorOperationsReply } from '@downpour/contracts';
import {
  DownpourError,
  restoreVectorsRequestSchema,
  subjects,
  vectorOperationsRequestSchema,
} from '@downpour/contracts';
import { FrameHandler } from '@downpour/nats';
import type { TensorFrame } from '@downpour/tensor';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { ShardHost } from '../shard-host.ts';
import { ServedBatch } from './served-batch.ts';

/** What the coordinator has the shards of a sandblaster job do. */
@Controller()
export class VectorsController {
  readonly #host: ShardHost;

  constructor(host: ShardHost) {
    this.#host = host;
  }

  @FrameHandler(subjects.vectorOperations('{instance}'))
  operate(@Payload() { header }: TensorFrame): { header: VectorOperationsReply } {
    const request = vectorOperationsRequestSchema.parse(header);
    return { header: this.#find(request).operate(request) };
  }

  @FrameHandler(subjects.restoreVectors('{instance}'))
  async restore(@Payload() { header }: TensorFrame): Promise<{ header: RestoreVectorsReply }> {
    const request = restoreVectorsRequestSchema.parse(header);
    return { header: await this.#find(request).restore(request) };
  }

  #find({ jobId, shard, ownership }: { jobId: string; shard: number; ownership: number }): ServedBatch {
    const served = this.#host.find(jobId, shard, ownership);
    if (served instanceof ServedBatch) return served;
    throw new DownpourError('invalid-request', `Job ${jobId} is not one of strategy sandblaster`);
  }
}
