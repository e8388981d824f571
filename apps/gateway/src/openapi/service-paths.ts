import { clusterSchema } from '@downpour/contracts';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { cluster } from './examples.ts';
import { jsonResponse, problemResponses } from './responses.ts';

const healthSchema = z.object({ status: z.string(), reasons: z.record(z.string(), z.string()).optional() });
const page = (description: string, type: string, example?: string) => ({
  description,
  content: { [type]: { schema: z.string(), ...(example === undefined ? {} : { example }) } },
});

export const servicePaths: ZodOpenApiPathsObject = {
  '/v1/cluster': {
    get: {
      tags: ['Cluster'],
      operationId: 'getCluster',
      summary: 'Who is alive, who coordinates, and the NATS server',
      responses: { '200': jsonResponse('The cluster', clusterSchema, cluster) },
    },
  },
  '/': {
    get: {
      tags: ['Documentation'],
      operationId: 'home',
      summary: 'Redirects to the documentation',
      responses: {
        '302': {
          description: 'To /docs',
          headers: z.object({ location: z.string().meta({ description: 'Where to', example: '/docs' }) }),
        },
      },
    },
  },
  '/docs': {
    get: {
      tags: ['Documentation'],
      operationId: 'docs',
      summary: 'This document as a page',
      responses: { '200': page('The page', 'text/html') },
    },
  },
  '/docs/{file}': {
    get: {
      tags: ['Documentation'],
      operationId: 'docsFile',
      summary: 'Scripts and styles of the page',
      requestParams: {
        path: z.object({ file: z.string().meta({ description: 'Name of the file', example: 'swagger-ui.css' }) }),
      },
      responses: { '200': page('The file', '*/*'), ...problemResponses('missing') },
    },
  },
  '/openapi.json': {
    get: {
      tags: ['Documentation'],
      operationId: 'openapi',
      summary: 'This document',
      responses: { '200': jsonResponse('OpenAPI 3.1', z.looseObject({ openapi: z.string() }), { openapi: '3.1.1' }) },
    },
  },
  '/healthz': {
    get: {
      tags: ['Health'],
      operationId: 'health',
      summary: 'Is the process alive?',
      responses: { '200': jsonResponse('Yes', healthSchema, { status: 'alive' }) },
    },
  },
  '/readyz': {
    get: {
      tags: ['Health'],
      operationId: 'readiness',
      summary: 'Is it ready for requests? If not, what it waits for',
      responses: {
        '200': jsonResponse('Yes', healthSchema, { status: 'ready', reasons: {} }),
        '503': jsonResponse('Not yet, or not any more', healthSchema, {
          status: 'not ready',
          reasons: { nats: 'waiting for NATS at nats://127.0.0.1:4222' },
        }),
      },
    },
  },
  '/metrics': {
    get: {
      tags: ['Health'],
      operationId: 'metrics',
      summary: 'Metrics for Prometheus',
      responses: { '200': page('Text exposition format', 'text/plain', 'process_cpu_seconds_total 1.5\n') },
    },
  },
};
