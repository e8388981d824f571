import type { PrepareReply } from '@downpour/contracts';
import { describeIssues, DownpourError, prepareRequestSchema, queueGroups, subjects } from '@downpour/contracts';
import type { TensorFrame } from '@downpour/tensor';
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { WorkerVerbs } from './ports.ts';
import { WORKER_VERBS } from './ports.ts';

/** Any worker can build a model: the coordinator asks one of them. */
@Controller()
export class PrepareController {
  readonly #verbs: Pick<WorkerVerbs, 'prepare'>;

  constructor(@Inject(WORKER_VERBS) verbs: Pick<WorkerVerbs, 'prepare'>) {
    this.#verbs = verbs;
  }

  @MessagePattern(subjects.prepare, { queue: queueGroups.workers })
  async prepare(@Payload() frame: TensorFrame): Promise<TensorFrame<PrepareReply>> {
    const request = prepareRequestSchema.safeParse(frame.header);
    if (!request.success) {
      const [issue] = describeIssues(request.error);
      throw new DownpourError('invalid-request', `${issue?.field}: ${issue?.message}`, { field: issue?.field });
    }
    return { header: await this.#verbs.prepare(request.data), tensors: {} };
  }
}
