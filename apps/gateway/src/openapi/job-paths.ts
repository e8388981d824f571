import { jobEventSchema, jobLedgerSchema, jobSpecSchema, modelGraphSchema, strategySchema } from '@downpour/contracts';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { graphQuerySchema, jobListQuerySchema } from '../jobs/job-queries.ts';
import { jobViewSchema } from '../jobs/job-view.ts';
import { eventStream, job, jobLedger, kerasJob, mnistJob, modelGraphExample, tunedJob } from './examples.ts';
import { jsonResponse, problemResponses } from './responses.ts';

const id = z.string().meta({ description: 'Id of the job', example: job.id });
const requestParams = { path: z.object({ id }) };
const tags = ['Jobs'];

export const jobPaths: ZodOpenApiPathsObject = {
  '/v1/jobs': {
    post: {
      tags,
      operationId: 'submitJob',
      summary: 'Submit a job',
      description:
        'Trains a model on a data set. Only `model` and `dataset` have no default. The job is stored before the answer is sent; it waits ' +
        'while workers, shards or sharders are missing, and says so in `reason`.',
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: jobSpecSchema,
            examples: {
              mnist: { summary: 'A model of the zoo on MNIST until 99 %', value: mnistJob },
              tuned: { summary: 'Everything said', value: tunedJob },
              keras: { summary: 'A model as Keras writes it (model.to_json())', value: kerasJob },
            },
          },
        },
      },
      responses: {
        '201': {
          ...jsonResponse('Accepted and stored', jobViewSchema, { ...job, state: 'queued' }),
          headers: z.object({
            location: z.string().meta({ description: 'Path of the job', example: `/v1/jobs/${job.id}` }),
          }),
        },
        ...problemResponses('invalid', 'unfit', 'tooLarge', 'mediaType', 'unavailable'),
      },
    },
    get: {
      tags,
      operationId: 'listJobs',
      summary: 'Jobs, newest first',
      requestParams: { query: jobListQuerySchema },
      responses: {
        '200': jsonResponse('Jobs', z.strictObject({ jobs: z.array(jobViewSchema) }), { jobs: [job] }),
        ...problemResponses('invalid', 'unavailable'),
      },
    },
  },
  '/v1/jobs/{id}': {
    get: {
      tags,
      operationId: 'getJob',
      summary: 'A job: state, progress, evaluations, ledger, result',
      requestParams,
      responses: { '200': jsonResponse('The job', jobViewSchema, job), ...problemResponses('missing', 'unavailable') },
    },
  },
  '/v1/jobs/{id}/events': {
    get: {
      tags,
      operationId: 'followJob',
      summary: 'Events of a job, live',
      description:
        'Server-Sent Events: those stored so far, then each as it happens: loss, accuracy, examples per second, staleness, per worker and per shard; ' +
        'evaluations, problems, states. The stream ends after the event of a terminal state. `id` is a position: a reader that comes back with ' +
        'Last-Event-ID misses nothing. Counters are cumulative. Comment lines keep the connection open.',
      requestParams: {
        path: z.object({ id }),
        header: z.object({
          'Last-Event-ID': z.string().optional().meta({ description: 'Go on after this event', example: '4710' }),
        }),
      },
      responses: {
        '200': {
          description: 'A stream of events; `data` of each is a JobEvent, `event` its type',
          content: { 'text/event-stream': { schema: jobEventSchema, example: eventStream } },
        },
        ...problemResponses('invalid', 'missing', 'unavailable'),
      },
    },
  },
  '/v1/jobs/{id}/cancel': {
    post: {
      tags,
      operationId: 'cancelJob',
      summary: 'Cancel a job',
      description: 'The job is cancelled when the answer comes. Cancelling it again changes nothing.',
      requestParams,
      responses: {
        '200': jsonResponse('The cancelled job', jobViewSchema, { ...job, state: 'cancelled', result: null }),
        ...problemResponses('missing', 'conflict', 'unavailable'),
      },
    },
  },
  '/v1/jobs/{id}/pause': {
    post: {
      tags,
      operationId: 'pauseJob',
      summary: 'Pause a job',
      description:
        'The job is `pausing` when the answer comes: workers finish the chunks in hand, shards apply what was pushed, a checkpoint is taken. Then it is `paused`: ' +
        'nobody holds anything of it in memory, and it stays so until it is resumed or cancelled. Pausing it again changes nothing.',
      requestParams,
      responses: {
        '200': jsonResponse('The job', jobViewSchema, { ...job, state: 'pausing', finishedAt: null, result: null }),
        ...problemResponses('missing', 'conflict', 'unavailable'),
      },
    },
  },
  '/v1/jobs/{id}/resume': {
    post: {
      tags,
      operationId: 'resumeJob',
      summary: 'Resume a paused job',
      description:
        'It is in line again when the answer comes, and goes on exactly where it was. Resuming one that runs changes nothing.',
      requestParams,
      responses: {
        '200': jsonResponse('The job', jobViewSchema, { ...job, state: 'queued', finishedAt: null, result: null }),
        ...problemResponses('missing', 'conflict', 'unavailable'),
      },
    },
  },
  '/v1/jobs/{id}/strategy': {
    put: {
      tags,
      operationId: 'switchStrategy',
      summary: 'Switch the strategy of a job',
      description:
        'Between `async`, `ssp`, `sync` and `localSgd`, while the job is queued, prepared, trained or paused. Workers follow it from their next chunk on; nothing that was ' +
        'pushed is lost. It must push as often as the one in the spec (`nPush`, `localSteps`), `sync` and `localSgd` need a push log, and one job at a time may keep workers in step ' +
        '(`ssp`, `sync`, `localSgd`, `sandblaster`). `strategy` of the job says what it is now; null: as in its spec.',
      requestParams,
      requestBody: {
        required: true,
        content: { 'application/json': { schema: strategySchema, example: { kind: 'sync', backups: 1 } } },
      },
      responses: {
        '200': jsonResponse('The job', jobViewSchema, {
          ...job,
          state: 'training',
          strategy: { kind: 'sync', backups: 1 },
          finishedAt: null,
          result: null,
        }),
        ...problemResponses('invalid', 'missing', 'conflict', 'unfit', 'tooLarge', 'mediaType', 'unavailable'),
      },
    },
  },
  '/v1/jobs/{id}/model': {
    get: {
      tags,
      operationId: 'getModel',
      summary: 'The trained model',
      description:
        'A zip of `model.json` and `weights.bin` in the layers format of TensorFlow.js: unpack it and `tf.loadLayersModel("file://.../model.json")`.',
      requestParams,
      responses: {
        '200': {
          description: 'The zip',
          content: { 'application/zip': { schema: z.string().meta({ format: 'binary' }) } },
        },
        ...problemResponses('missing', 'conflict', 'unavailable'),
      },
    },
  },
  '/v1/jobs/{id}/graph': {
    get: {
      tags,
      operationId: 'getGraph',
      summary: 'How the model of a job is cut',
      description:
        'Of a job with `partitions`: its layers with partition, parameters, measured cost and bytes; the edges that cross from partition to partition; what each partition comes to.',
      requestParams: { ...requestParams, query: graphQuerySchema },
      responses: {
        '200': {
          description: 'The graph',
          content: {
            ...jsonResponse('The graph', modelGraphSchema, modelGraphExample).content,
            'image/svg+xml': { schema: z.string() },
          },
        },
        ...problemResponses('invalid', 'missing', 'conflict', 'unavailable'),
      },
    },
  },
  '/v1/jobs/{id}/ledger': {
    get: {
      tags,
      operationId: 'getLedger',
      summary: 'The account of the pushes of a job',
      description:
        'For each shard, how many pushes it was to apply and has applied, and what it dropped: pushes delivered twice, late ones, and those with NaN or ' +
        'infinity in them. On every shard applied + badDropped + missing = expected; a job succeeds only if nothing is missing (unless ' +
        'stopAt or earlyStopping ended it) and the examples of its pushes are those of its epochs.',
      requestParams,
      responses: {
        '200': jsonResponse('The ledger', jobLedgerSchema, jobLedger),
        ...problemResponses('missing', 'unavailable'),
      },
    },
  },
};
