import type { HoldsReply } from '@downpour/contracts';
import { holdsRequestSchema, subjects } from '@downpour/contracts';
import { FrameHandler } from '@downpour/nats';
import type { TensorFrame } from '@downpour/tensor';
import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { WorkerLifecycle } from './worker.lifecycle.ts';

/** A pause waits for chunks in hand: the coordinator asks each worker. */
@Controller()
export class HoldsController {
  readonly #lifecycle: Pick<WorkerLifecycle, 'holds'>;

  constructor(@Inject(WorkerLifecycle) lifecycle: Pick<WorkerLifecycle, 'holds'>) {
    this.#lifecycle = lifecycle;
  }

  @FrameHandler(subjects.holds('{instance}'))
  holds(@Payload() { header }: TensorFrame): { header: HoldsReply } {
    const { jobId } = holdsRequestSchema.parse(header);
    return { header: { type: 'holds', v: 1, holds: this.#lifecycle.holds(jobId) } };
  }
}
