import { weightsRecordSchema } from '@downpour/contracts';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { weights } from './examples.ts';
import { jsonResponse, problemResponses } from './responses.ts';

const tags = ['Weights'];

export const weightsPaths: ZodOpenApiPathsObject = {
  '/v1/weights': {
    post: {
      tags,
      operationId: 'uploadWeights',
      summary: 'Upload parameters that a job is to begin with',
      description:
        'A safetensors file: every variable of the model, trained or not, under its name (`dense_Dense1/kernel`), float32. A job names it as `initialWeights`.',
      requestBody: {
        required: true,
        content: { 'application/octet-stream': { schema: z.string().meta({ format: 'binary' }) } },
      },
      responses: {
        '201': {
          ...jsonResponse('Stored', weightsRecordSchema, weights),
          headers: z.object({ location: z.string().meta({ description: 'Path of the weights' }) }),
        },
        ...problemResponses('unfit', 'tooLarge', 'mediaType', 'unavailable'),
      },
    },
  },
  '/v1/weights/{id}': {
    delete: {
      tags,
      operationId: 'deleteWeights',
      summary: 'Delete uploaded parameters; a job that trains already has its own copy',
      requestParams: {
        path: z.object({ id: z.string().meta({ description: 'Id of the weights', example: weights.id }) }),
      },
      responses: { '204': { description: 'They are gone' }, ...problemResponses('missing', 'unavailable') },
    },
  },
};
