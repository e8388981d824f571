import {
  checkpointManifestSchema,
  checkpointSummarySchema,
  clusterSchema,
  datasetRecordSchema,
  datasetSpecSchema,
  jobLedgerSchema,
  jobSpecSchema,
  problemSchema,
  weightsRecordSchema,
} from '@downpour/contracts';
import { RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClusterController } from '../cluster/cluster.controller.ts';
import { DatasetsController } from '../datasets/datasets.controller.ts';
import { CheckpointsController } from '../checkpoints/checkpoints.controller.ts';
import { DocsController } from '../docs/docs.controller.ts';
import { JobsController } from '../jobs/jobs.controller.ts';
import { jobViewSchema } from '../jobs/job-view.ts';
import { Harness, problemOf } from '../testing/harness.ts';
import { WeightsController } from '../weights/weights.controller.ts';
import type { OpenApiDocument } from './document.ts';
import { openApiDocument, PLATFORM_PATHS } from './document.ts';
import * as examples from './examples.ts';

interface Operation {
  operationId?: string;
  summary?: string;
  responses?: Record<string, { content?: Record<string, { example?: unknown; examples?: unknown; schema?: unknown }> }>;
  requestBody?: { content: Record<string, { example?: unknown; examples?: unknown }> };
}

const operations = (document: OpenApiDocument): [route: string, operation: Operation][] =>
  Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item ?? {}).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation as Operation,
    ]),
  );

/** Every route that the app has, from the controllers' own metadata. */
function routes(): string[] {
  return [
    JobsController,
    CheckpointsController,
    DatasetsController,
    WeightsController,
    ClusterController,
    DocsController,
  ].flatMap((controller) => {
    const base = Reflect.getMetadata(PATH_METADATA, controller) as string;
    const prototype = controller.prototype as unknown as Record<string, object>;
    return Object.getOwnPropertyNames(prototype).flatMap((name) => {
      const handler = prototype[name] as object;
      const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
      if (method === undefined) return [];
      const path = [base, Reflect.getMetadata(PATH_METADATA, handler) as string].join('/').split('/').filter(Boolean);
      return [`${RequestMethod[method]} /${path.join('/').replaceAll(/:(\w+)/g, '{$1}')}`];
    });
  });
}

describe('the OpenAPI document', () => {
  const document = openApiDocument('0.0.0');

  it('describes every route of the app, and no other', () => {
    const described = operations(document).map(([route]) => route);
    const platform = PLATFORM_PATHS.map((path) => `GET ${path}`);
    expect(described.sort()).toEqual([...routes(), ...platform].sort());
  });

  it('gives each operation a summary, an id of its own, and an example of every body', () => {
    const all = operations(document);
    expect(new Set(all.map(([, { operationId }]) => operationId)).size).toBe(all.length);
    for (const [route, { summary, responses, requestBody }] of all) {
      expect(summary, route).toBeTruthy();
      const contents = [requestBody?.content, ...Object.values(responses ?? {}).map(({ content }) => content)];
      for (const [type, body] of contents.flatMap((content) => Object.entries(content ?? {}))) {
        const needed = /json|event-stream|form/.test(type);
        if (needed) expect(body.example ?? body.examples, `${route} ${type}`).toBeDefined();
      }
    }
  });

  it('is 3.1 and points only at schemas that it has', () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    const text = JSON.stringify(document);
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name ?? '');
    expect(references.length).toBeGreaterThan(20);
    for (const name of references) expect(document.components?.schemas).toHaveProperty(name);
    expect(Object.keys(document.components?.schemas ?? {})).toEqual(
      expect.arrayContaining(['Job', 'JobSpec', 'Problem']),
    );
    expect(text).not.toContain('coordination');
  });

  it('has examples that its own schemas take', () => {
    for (const job of [examples.mnistJob, examples.tunedJob, examples.kerasJob]) jobSpecSchema.parse(job);
    for (const problem of Object.values(examples.problems)) problemSchema.parse(problem);
    jobViewSchema.parse(examples.job);
    jobLedgerSchema.parse(examples.jobLedger);
    checkpointSummarySchema.parse(examples.checkpoint);
    checkpointManifestSchema.parse(examples.checkpointManifest);
    datasetSpecSchema.parse(examples.datasetSpec);
    for (const dataset of [examples.mnist, examples.irises]) datasetRecordSchema.parse(dataset);
    clusterSchema.parse(examples.cluster);
    weightsRecordSchema.parse(examples.weights);
  });
});

describe('the gateway', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.stop());

  it('serves the document, and a page that needs nothing from elsewhere', async () => {
    const document = (await (await harness.fetch('/openapi.json')).json()) as OpenApiDocument;
    expect(document.info.title).toBe('Downpour');
    const page = await (await harness.fetch('/docs')).text();
    const links = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? '');
    expect(links.length).toBe(4);
    for (const link of links) {
      const response = await harness.fetch(link);
      expect(response.status, link).toBe(200);
      expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(100);
    }
    expect((await harness.fetch('/', { redirect: 'manual' })).headers.get('location')).toBe('/docs');
    expect((await problemOf(await harness.fetch('/docs/package.json'))).status).toBe(404);
    expect((await problemOf(await harness.fetch('/docs/..%2fpackage.json'))).status).toBe(404);
  });

  it('answers every path of the document with something of its description', async () => {
    for (const [route] of operations(openApiDocument('0'))) {
      const [method = 'GET', path = '/'] = route.split(' ');
      const url = path.replaceAll(/\{\w+\}/g, 'x');
      const { status } = await harness.fetch(url, { method, redirect: 'manual' });
      expect([200, 302, 404, 415], route).toContain(status);
    }
  });

  it('says which methods a path has, and what there is where there is nothing', async () => {
    const put = await harness.fetch('/v1/jobs', { method: 'PUT' });
    expect(put.headers.get('allow')).toBe('POST, GET');
    expect(await problemOf(put)).toMatchObject({ status: 405, instance: '/v1/jobs' });
    expect((await problemOf(await harness.fetch('/v1/cluster', { method: 'DELETE' }))).status).toBe(405);
    expect((await problemOf(await harness.fetch('/v2'))).status).toBe(404);
    expect((await problemOf(await harness.fetch('/v1/jobs/%zz'))).status).toBe(400);
    expect((await harness.fetch('/v1/jobs', { method: 'HEAD' })).status).toBe(200);
  });

  it('shows the cluster', async () => {
    const cluster = clusterSchema.parse(await (await harness.fetch('/v1/cluster')).json());
    expect(cluster.members.map(({ instance }) => instance)).toEqual([harness.gateway.instance]);
    expect(cluster.nats).toMatchObject({ connected: true, maxPayloadBytes: 1_048_576 });
  });
});
