import { datasetRecordSchema, datasetSpecSchema } from '@downpour/contracts';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { datasetSpec, irises, mnist } from './examples.ts';
import { jsonResponse, problemResponses } from './responses.ts';

const tags = ['Data sets'];
const file = (description: string) => z.string().optional().meta({ format: 'binary', description });

const uploadSchema = z.object({
  spec: datasetSpecSchema,
  train: file('csv, images (a zip), or numpy as .npz'),
  test: file('The same of the test split, where there is one'),
  'train-images': file('idx; gzip allowed'),
  'train-labels': file('idx'),
  'test-images': file('idx'),
  'test-labels': file('idx'),
  'train-x': file('numpy as .npy'),
  'train-y': file('numpy as .npy'),
  'test-x': file('numpy as .npy'),
  'test-y': file('numpy as .npy'),
});

export const datasetPaths: ZodOpenApiPathsObject = {
  '/v1/datasets': {
    post: {
      tags,
      operationId: 'uploadDataset',
      summary: 'Upload a data set',
      description:
        'A form: first the field `spec`, then the files that its format takes. Files are streamed into the object store under their SHA-256; then a data sharder ' +
        'reads them and says what is in them, or what is wrong. The same upload again is the same data set (200), stored once.',
      requestBody: {
        required: true,
        content: {
          'multipart/form-data': {
            schema: uploadSchema,
            example: { spec: datasetSpec, train: 'sepal_length,...,species\n5.1,...,setosa\n' },
            encoding: { spec: { contentType: 'application/json' } },
          },
        },
      },
      responses: {
        '201': {
          ...jsonResponse('Stored and read', datasetRecordSchema, irises),
          headers: z.object({ location: z.string().meta({ description: 'Path of the data set' }) }),
        },
        '200': jsonResponse('It was there already', datasetRecordSchema, irises),
        ...problemResponses('invalid', 'unfit', 'tooLarge', 'mediaType', 'unavailable'),
      },
    },
    get: {
      tags,
      operationId: 'listDatasets',
      summary: 'Data sets: the built-in ones, then uploads, newest first',
      responses: {
        '200': jsonResponse('Data sets', z.strictObject({ datasets: z.array(datasetRecordSchema) }), {
          datasets: [mnist, irises],
        }),
        ...problemResponses('unavailable'),
      },
    },
  },
  '/v1/datasets/{id}': {
    get: {
      tags,
      operationId: 'getDataset',
      summary: 'A data set: examples, shape, classes',
      requestParams: {
        path: z.object({ id: z.string().meta({ description: 'Id of the data set', example: 'mnist' }) }),
      },
      responses: {
        '200': jsonResponse('The data set', datasetRecordSchema, mnist),
        ...problemResponses('missing', 'unavailable'),
      },
    },
  },
};
