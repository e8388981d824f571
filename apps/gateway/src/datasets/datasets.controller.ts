import type { DatasetRecord } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { Controller, Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { UPLOAD_LIMIT } from '../tokens.ts';
import { DatasetRegistration } from './dataset-registration.ts';
import { DatasetRegistry } from './dataset-registry.ts';
import { checkUploadHead, openUpload } from './upload-parts.ts';

@Controller('v1/datasets')
export class DatasetsController {
  readonly #registry: DatasetRegistry;
  readonly #registration: DatasetRegistration;
  readonly #maxBytes: number;

  constructor(
    @Inject(DatasetRegistry) registry: DatasetRegistry,
    @Inject(DatasetRegistration) registration: DatasetRegistration,
    @Inject(UPLOAD_LIMIT) maxBytes: number,
  ) {
    this.#registry = registry;
    this.#registration = registration;
    this.#maxBytes = maxBytes;
  }

  @Post()
  async upload(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    checkUploadHead(request, this.#maxBytes);
    this.#registration.checkReady();
    const { dataset, created } = await this.#registration.register(await openUpload(request, this.#maxBytes));
    await reply
      .code(created ? 201 : 200)
      .header('location', `/v1/datasets/${dataset.id}`)
      .send(dataset);
  }

  @Get()
  async list(): Promise<{ datasets: DatasetRecord[] }> {
    return { datasets: await this.#registry.list() };
  }

  @Get(':id')
  async get(@Param('id') id: string): Promise<DatasetRecord> {
    const dataset = await this.#registry.get(id);
    if (dataset === null) {
      throw new DownpourError('not-found', `There is no data set ${id}: GET /v1/datasets lists them`);
    }
    return dataset;
  }
}
