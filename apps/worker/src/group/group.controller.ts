import type { CrossingReply, GroupWorkReply } from '@downpour/contracts';
import { crossingRequestSchema, groupWorkRequestSchema, subjects } from '@downpour/contracts';
import { FrameHandler } from '@downpour/nats';
import type { TensorFrame } from '@downpour/tensor';
import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { WorkerLifecycle } from '../worker.lifecycle.ts';
import { receivedValues } from './crossing-values.ts';

/** What the members of a group ask and send each other. */
@Controller()
export class GroupController {
  readonly #lifecycle: Pick<WorkerLifecycle, 'seat'>;

  constructor(@Inject(WorkerLifecycle) lifecycle: Pick<WorkerLifecycle, 'seat'>) {
    this.#lifecycle = lifecycle;
  }

  @FrameHandler(subjects.groupWork('{instance}'), { concurrency: 256 })
  async work(@Payload() { header }: TensorFrame): Promise<{ header: GroupWorkReply }> {
    const request = groupWorkRequestSchema.parse(header);
    return { header: await this.#lifecycle.seat(request.jobId).answer(request) };
  }

  @FrameHandler(subjects.crossing('{instance}'), { concurrency: 256 })
  crossing(@Payload() frame: TensorFrame): { header: CrossingReply } {
    const request = crossingRequestSchema.parse(frame.header);
    this.#lifecycle.seat(request.jobId).deliver(request, receivedValues(frame.tensors));
    return { header: { type: 'crossed', v: 1 } };
  }
}
