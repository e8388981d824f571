import type { CaptureShardReply, ComposeCheckpointReply, ReadCaptureReply } from '@downpour/contracts';
import {
  captureShardRequestSchema,
  composeCheckpointRequestSchema,
  queueGroups,
  readCaptureRequestSchema,
  subjects,
} from '@downpour/contracts';
import { FrameHandler } from '@downpour/nats';
import type { OutgoingFrame, TensorFrame } from '@downpour/tensor';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { ShardHost } from '../shard-host.ts';
import { Captures } from './captures.ts';
import { CheckpointComposer } from './composer.ts';

/** Copies of the shards that this process owns, and checkpoints of any job: whoever is free puts them together. */
@Controller()
export class CheckpointController {
  readonly #host: ShardHost;
  readonly #captures: Captures;
  readonly #composer: CheckpointComposer;

  constructor(host: ShardHost, captures: Captures, composer: CheckpointComposer) {
    this.#host = host;
    this.#captures = captures;
    this.#composer = composer;
  }

  @FrameHandler(subjects.captureShard('{instance}'))
  capture(@Payload() { header }: TensorFrame): { header: CaptureShardReply } {
    const { jobId, shard, ownership, capture } = captureShardRequestSchema.parse(header);
    return this.#captures.add(capture, jobId, this.#host.find(jobId, shard, ownership).capture());
  }

  @FrameHandler(subjects.readCapture('{instance}'))
  read(@Payload() { header }: TensorFrame): OutgoingFrame<ReadCaptureReply> {
    return this.#captures.read(readCaptureRequestSchema.parse(header));
  }

  @FrameHandler(subjects.composeCheckpoint, { queue: queueGroups.shards, concurrency: 2 })
  async compose(@Payload() { header }: TensorFrame): Promise<{ header: ComposeCheckpointReply }> {
    const manifest = await this.#composer.compose(composeCheckpointRequestSchema.parse(header));
    return { header: { type: 'checkpointComposed', v: 1, manifest } };
  }
}
