import { Readable } from 'node:stream';
import type { CheckpointSummary } from '@downpour/contracts';
import { Controller, Get, HttpCode, Inject, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CheckpointsService } from './checkpoints.service.ts';

@Controller('v1/jobs/:id/checkpoints')
export class CheckpointsController {
  readonly #checkpoints: CheckpointsService;

  constructor(@Inject(CheckpointsService) checkpoints: CheckpointsService) {
    this.#checkpoints = checkpoints;
  }

  @Post()
  @HttpCode(202)
  async request(@Param('id') id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<CheckpointSummary> {
    const checkpoint = await this.#checkpoints.request(id);
    reply.header('location', `/v1/jobs/${id}/checkpoints/${checkpoint.number}`);
    return checkpoint;
  }

  @Get()
  async list(@Param('id') id: string): Promise<{ checkpoints: CheckpointSummary[] }> {
    return { checkpoints: await this.#checkpoints.list(id) };
  }

  @Get(':number')
  get(@Param('id') id: string, @Param('number') number: string): Promise<CheckpointSummary> {
    return this.#checkpoints.get(id, number);
  }

  @Get(':number/model.safetensors')
  async model(@Param('id') id: string, @Param('number') number: string, @Res() reply: FastifyReply): Promise<void> {
    const { bytes, stream } = await this.#checkpoints.file(id, number, 'model.safetensors');
    await reply
      .header('content-type', 'application/octet-stream')
      .header('content-length', bytes)
      .header('content-disposition', `attachment; filename="${id}-${number}.safetensors"`)
      .send(Readable.from(stream, { objectMode: false }));
  }

  @Get(':number/manifest.json')
  async manifest(@Param('id') id: string, @Param('number') number: string, @Res() reply: FastifyReply): Promise<void> {
    const { bytes, stream } = await this.#checkpoints.file(id, number, 'manifest.json');
    await reply
      .header('content-type', 'application/json; charset=utf-8')
      .header('content-length', bytes)
      .send(Readable.from(stream, { objectMode: false }));
  }
}
