import type { LedgerReply, PullReply, PushPullReply } from '@downpour/contracts';
import { ledgerRequestSchema, pullRequestSchema, pushPullRequestSchema, subjects } from '@downpour/contracts';
import { FrameHandler } from '@downpour/nats';
import { requireTensor } from '@downpour/tensor';
import type { OutgoingFrame, TensorFrame } from '@downpour/tensor';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { ShardHost } from './shard-host.ts';

/** What is asked of this process alone: parameters are only where they are owned, so no queue group. */
@Controller()
export class ShardController {
  readonly #host: ShardHost;

  constructor(host: ShardHost) {
    this.#host = host;
  }

  /** Those that wait for others of their strategy take no time of anybody's. */
  @FrameHandler(subjects.pull('{instance}'), { concurrency: 1024 })
  pull(@Payload() { header }: TensorFrame): OutgoingFrame<PullReply> | Promise<OutgoingFrame<PullReply>> {
    const request = pullRequestSchema.parse(header);
    const served = this.#host.find(request.jobId, request.shard, request.ownership);
    const inStep = request.after !== undefined || request.clock !== undefined;
    return inStep ? served.pullInStep(request) : served.pull(request);
  }

  @FrameHandler(subjects.pushPull('{instance}'))
  pushPull(@Payload() { header, tensors }: TensorFrame): OutgoingFrame<PushPullReply> {
    const request = pushPullRequestSchema.parse(header);
    const { jobId, shard } = request.push;
    const served = this.#host.find(jobId, shard, request.ownership);
    return served.pushPull(request, requireTensor(tensors, 'gradient'), tensors['scales']);
  }

  @FrameHandler(subjects.ledger('{instance}'))
  ledger(@Payload() { header }: TensorFrame): { header: LedgerReply } {
    const { jobId, shard, missingBelow } = ledgerRequestSchema.parse(header);
    return { header: this.#host.find(jobId, shard).ledger(missingBelow) };
  }
}
