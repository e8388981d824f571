import type { JobLedger, JobSpec, JobState, ModelGraph, StrategySpec } from '@downpour/contracts';
import { jobSpecSchema, ledgerOf, strategySchema } from '@downpour/contracts';
import { Controller, Get, Headers, HttpCode, Inject, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayPorts } from '../ports.ts';
import { GATEWAY_PORTS } from '../ports.ts';
import { unsupportedMediaType } from '../problems/problem.filter.ts';
import { parseOrProblem, ZodPipe } from '../problems/zod.pipe.ts';
import { EVENT_HEARTBEAT } from '../tokens.ts';
import { streamEvents } from './event-stream.ts';
import { graphDrawing } from './graph-drawing.ts';
import { graphQuerySchema, jobListQuerySchema, lastEventIdSchema } from './job-queries.ts';
import type { JobView } from './job-view.ts';
import { viewOf } from './job-view.ts';
import { JobsService } from './jobs.service.ts';
import { modelArchive } from './model-archive.ts';
import { modelGraph } from './model-graph.ts';
import { OpenStreams } from './open-streams.ts';

@Controller('v1/jobs')
export class JobsController {
  readonly #jobs: JobsService;
  readonly #ports: GatewayPorts;
  readonly #streams: OpenStreams;
  readonly #heartbeatMs: number;

  constructor(
    @Inject(JobsService) jobs: JobsService,
    @Inject(GATEWAY_PORTS) ports: GatewayPorts,
    @Inject(OpenStreams) streams: OpenStreams,
    @Inject(EVENT_HEARTBEAT) heartbeatMs: number,
  ) {
    this.#jobs = jobs;
    this.#ports = ports;
    this.#streams = streams;
    this.#heartbeatMs = heartbeatMs;
  }

  @Post()
  async submit(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<JobView> {
    expectJson(request);
    const spec: JobSpec = parseOrProblem(jobSpecSchema, request.body, 'The job');
    const job = await this.#jobs.submit(spec);
    reply.header('location', `/v1/jobs/${job.id}`);
    return viewOf(job);
  }

  @Get()
  async list(
    @Query(new ZodPipe(jobListQuerySchema, 'The query'))
    { limit, state: states }: { limit: number; state: JobState[] | undefined },
  ): Promise<{ jobs: JobView[] }> {
    return { jobs: (await this.#jobs.list({ limit, states })).map(viewOf) };
  }

  @Get(':id')
  async get(@Param('id') id: string): Promise<JobView> {
    return viewOf(await this.#jobs.get(id));
  }

  @Get(':id/events')
  async events(
    @Param('id') id: string,
    @Headers() headers: Record<string, unknown>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { 'last-event-id': after = 0 } = parseOrProblem(lastEventIdSchema, headers, 'The header');
    await this.#jobs.get(id);
    reply.hijack();
    const forget = this.#streams.add(reply.raw);
    await streamEvents(reply.raw, id, after, {
      events: this.#ports.events,
      job: () => this.#jobs.get(id),
      heartbeatMs: this.#heartbeatMs,
    }).finally(forget);
  }

  @Post(':id/cancel')
  @HttpCode(200)
  async cancel(@Param('id') id: string): Promise<JobView> {
    return viewOf(await this.#jobs.cancel(id));
  }

  @Post(':id/pause')
  @HttpCode(200)
  async pause(@Param('id') id: string): Promise<JobView> {
    return viewOf(await this.#jobs.pause(id));
  }

  @Post(':id/resume')
  @HttpCode(200)
  async resume(@Param('id') id: string): Promise<JobView> {
    return viewOf(await this.#jobs.resume(id));
  }

  @Put(':id/strategy')
  async switchStrategy(@Param('id') id: string, @Req() request: FastifyRequest): Promise<JobView> {
    expectJson(request);
    const strategy: StrategySpec = parseOrProblem(strategySchema, request.body, 'The strategy');
    return viewOf(await this.#jobs.switchStrategy(id, strategy));
  }

  @Get(':id/model')
  async model(@Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    const archive = await modelArchive(await this.#jobs.get(id), this.#ports.blobs);
    await reply
      .header('content-type', 'application/zip')
      .header('content-disposition', `attachment; filename="${id}.zip"`)
      .send(archive);
  }

  @Get(':id/graph')
  async graph(
    @Param('id') id: string,
    @Query(new ZodPipe(graphQuerySchema, 'The query')) { format }: { format: 'json' | 'svg' },
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ModelGraph | string> {
    const graph = await modelGraph(await this.#jobs.get(id), this.#ports.blobs);
    if (format === 'json') return graph;
    reply.header('content-type', 'image/svg+xml');
    return graphDrawing(graph);
  }

  @Get(':id/ledger')
  async ledger(@Param('id') id: string): Promise<JobLedger> {
    return ledgerOf(await this.#jobs.get(id));
  }
}

function expectJson({ headers }: FastifyRequest): void {
  if (!/^application\/([\w.+-]+\+)?json\b/i.test(headers['content-type'] ?? ''))
    throw unsupportedMediaType('application/json');
}
