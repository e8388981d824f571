import { createDocument } from 'zod-openapi';
import { checkpointPaths } from './checkpoint-paths.ts';
import { datasetPaths } from './dataset-paths.ts';
import { jobPaths } from './job-paths.ts';
import { servicePaths } from './service-paths.ts';
import { weightsPaths } from './weights-paths.ts';

/** Paths that the platform answers, whatever the application. */
export const PLATFORM_PATHS = ['/healthz', '/readyz', '/metrics'];

/** OpenAPI 3.1 of the whole API, from the schemas that check its requests. `version`: of Downpour. */
export function openApiDocument(version: string): ReturnType<typeof createDocument> {
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Downpour',
      version,
      description:
        'Distributed training of deep neural networks: jobs, data sets, live events. Errors are problem documents ' +
        '(RFC 9457, `application/problem+json`) that name the field and what would be right.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    tags: ['Jobs', 'Checkpoints', 'Data sets', 'Weights', 'Cluster', 'Documentation', 'Health'].map((name) => ({
      name,
    })),
    paths: { ...jobPaths, ...checkpointPaths, ...datasetPaths, ...weightsPaths, ...servicePaths },
  });
}

export type OpenApiDocument = ReturnType<typeof openApiDocument>;

/** Which methods a path has, by the document: `/v1/jobs/x` has those of `/v1/jobs/{id}`. */
export function allowedMethods(document: OpenApiDocument): (path: string) => string[] {
  const patterns = Object.entries(document.paths ?? {}).map(([path, operations]) => ({
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{[^}]+\}/g, '[^/]+')}/?$`),
    methods: Object.keys(operations ?? {}).map((method) => method.toUpperCase()),
  }));
  return (path) => patterns.find(({ pattern }) => pattern.test(path))?.methods ?? [];
}
