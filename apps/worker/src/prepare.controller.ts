import type { PrepareReply } from '@downpour/contracts';
import { prepareRequestSchema, queueGroups, subjects } from '@downpour/contracts';
import { FrameHandler } from '@downpour/nats';
import type { TensorFrame } from '@downpour/tensor';
import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import type { WorkerVerbs } from './ports.ts';
import { WORKER_VERBS } from './ports.ts';

/** Any worker can build a model: the coordinator asks one of them. */
@Controller()
export class PrepareController {
  readonly #verbs: Pick<WorkerVerbs, 'prepare'>;

  constructor(@Inject(WORKER_VERBS) verbs: Pick<WorkerVerbs, 'prepare'>) {
    this.#verbs = verbs;
  }

  @FrameHandler(subjects.prepare, { queue: queueGroups.workers, concurrency: 1 })
  async prepare(@Payload() frame: TensorFrame): Promise<TensorFrame<PrepareReply>> {
    const request = prepareRequestSchema.parse(frame.header);
    return { header: await this.#verbs.prepare(request), tensors: {} };
  }
}
