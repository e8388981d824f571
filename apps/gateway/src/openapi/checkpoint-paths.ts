import { checkpointManifestSchema, checkpointSummarySchema } from '@downpour/contracts';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { checkpoint, checkpointManifest, job } from './examples.ts';
import { jsonResponse, problemResponses } from './responses.ts';

const id = z.string().meta({ description: 'Id of the job', example: job.id });
const number = z.string().meta({ description: 'Number of the checkpoint', example: String(checkpoint.number) });
const ofJob = { path: z.object({ id }) };
const ofCheckpoint = { path: z.object({ id, number }) };
const tags = ['Checkpoints'];

export const checkpointPaths: ZodOpenApiPathsObject = {
  '/v1/jobs/{id}/checkpoints': {
    post: {
      tags,
      operationId: 'takeCheckpoint',
      summary: 'Take a checkpoint of a job while it trains',
      description:
        'It is written in the background: a `checkpoint` event tells when it is complete. Training goes on meanwhile, so each shard is copied at a version of ' +
        'its own, which the manifest names; pause the job for a checkpoint that is one state of all shards. Of a job that is paused the answer is that one.',
      requestParams: ofJob,
      responses: {
        '202': {
          ...jsonResponse('It will be written', checkpointSummarySchema, { ...checkpoint, state: 'pending' }),
          headers: z.object({
            location: z.string().meta({
              description: 'Path of the checkpoint',
              example: `/v1/jobs/${job.id}/checkpoints/${checkpoint.number}`,
            }),
          }),
        },
        ...problemResponses('missing', 'conflict', 'unavailable'),
      },
    },
    get: {
      tags,
      operationId: 'listCheckpoints',
      summary: 'Checkpoints of a job, newest last',
      requestParams: ofJob,
      responses: {
        '200': jsonResponse('Checkpoints', z.strictObject({ checkpoints: z.array(checkpointSummarySchema) }), {
          checkpoints: [checkpoint],
        }),
        ...problemResponses('missing', 'unavailable'),
      },
    },
  },
  '/v1/jobs/{id}/checkpoints/{number}': {
    get: {
      tags,
      operationId: 'getCheckpoint',
      summary: 'A checkpoint',
      requestParams: ofCheckpoint,
      responses: {
        '200': jsonResponse('The checkpoint', checkpointSummarySchema, checkpoint),
        ...problemResponses('missing', 'unavailable'),
      },
    },
  },
  '/v1/jobs/{id}/checkpoints/{number}/model.safetensors': {
    get: {
      tags,
      operationId: 'getCheckpointModel',
      summary: 'Parameters and what the update rule remembers, as safetensors',
      description:
        'Each variable under its name, float32, with its shape; what the update rule remembers of it under `update-rule/<slot>/<variable>`.',
      requestParams: ofCheckpoint,
      responses: {
        '200': {
          description: 'The file',
          content: { 'application/octet-stream': { schema: z.string().meta({ format: 'binary' }) } },
        },
        ...problemResponses('missing', 'conflict', 'unavailable'),
      },
    },
  },
  '/v1/jobs/{id}/checkpoints/{number}/manifest.json': {
    get: {
      tags,
      operationId: 'getCheckpointManifest',
      summary: 'What a checkpoint says of itself: job, position, shards and their versions, digest',
      requestParams: ofCheckpoint,
      responses: {
        '200': jsonResponse('The manifest', checkpointManifestSchema, checkpointManifest),
        ...problemResponses('missing', 'conflict', 'unavailable'),
      },
    },
  },
};
