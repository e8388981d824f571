import type {
  CheckpointManifest,
  CheckpointSummary,
  Cluster,
  DatasetRecord,
  DatasetSpec,
  JobEvent,
  JobLedger,
  JobSpecInput,
  ModelGraph,
  Problem,
  WeightsRecord,
} from '@downpour/contracts';
import { graphOf, jobSpecSchema } from '@downpour/contracts';
import { builtInSummary } from '@downpour/datasets';
import type { JobView } from '../jobs/job-view.ts';

/** Examples of the document, typed, so that they cannot fall behind the schemas; a test parses them too. */

export const mnistJob: JobSpecInput = {
  name: 'MNIST',
  model: { zoo: 'mnist-cnn' },
  dataset: 'mnist',
  epochs: 5,
  stopAt: { metric: 'accuracy', value: 0.99 },
};

export const tunedJob: JobSpecInput = {
  name: 'Fashion-MNIST, Adagrad on the shards, warm start',
  model: { zoo: 'mlp', hiddenUnits: [512, 256], activation: 'relu', dropout: 0.2 },
  dataset: 'fashion-mnist',
  batchSize: 128,
  epochs: 20,
  strategy: { kind: 'async', nFetch: 2, nPush: 2, warmstartSteps: 100 },
  updateRule: { kind: 'adagrad', learningRate: 0.05 },
  shards: 4,
  evaluateEvery: 0.5,
};

export const kerasJob: JobSpecInput = {
  model: {
    topology: {
      class_name: 'Sequential',
      config: {
        name: 'tiny',
        layers: [
          { class_name: 'Flatten', config: { name: 'flatten', batch_input_shape: [null, 28, 28, 1] } },
          { class_name: 'Dense', config: { name: 'output', units: 10, activation: 'softmax' } },
        ],
      },
    },
  },
  dataset: 'mnist',
};

const ledger = (shard: number) => ({
  shard,
  instance: `parameter-shard-${shard + 1}k3x9f`,
  expected: 4690,
  applied: 4690,
  duplicatesDropped: 3,
  lateDropped: 0,
  badDropped: 0,
  refused: 0,
  examplesApplied: 300_000,
  examplesDropped: 0,
  badPushes: [],
});

export const checkpoint: CheckpointSummary = {
  number: 1,
  state: 'complete',
  why: 'end',
  reason: null,
  at: '2026-11-24T12:01:22.500Z',
  epoch: 5,
  exact: true,
  bytes: 2_701_240,
  digest: '0d5bd1d8ee97e0b5a0a9b2dd3bbf6ad0c3d7f31bb0b87ac5a6f0a6bc1a4dd0c3',
};

export const job: JobView = {
  id: 'job-k3x90a1bzq',
  name: 'MNIST',
  state: 'succeeded',
  reason: null,
  strategy: null,
  spec: jobSpecSchema.parse(mnistJob),
  createdAt: '2026-11-24T12:00:00.000Z',
  startedAt: '2026-11-24T12:00:01.200Z',
  finishedAt: '2026-11-24T12:01:22.900Z',
  parameters: 225_034,
  progress: {
    epochsDone: 5,
    examplesApplied: 300_000,
    examplesPerSecond: 0,
    loss: 0.0121,
    accuracy: 0.9962,
    staleness: 1.02,
    workers: 2,
  },
  evaluations: [
    { loss: 0.0288, accuracy: 0.9908, metrics: {}, examples: 10_000, epoch: 5, at: '2026-11-24T12:01:22.700Z' },
  ],
  ledger: [ledger(0), ledger(1)],
  checkpoints: [checkpoint],
  origin: null,
  result: {
    loss: 0.0288,
    accuracy: 0.9908,
    metrics: {},
    trainingMs: 80_300,
    examplesPerSecond: 3736,
    stoppedEarly: false,
  },
};

export const jobLedger: JobLedger = {
  jobId: job.id,
  complete: true,
  addsUp: true,
  expected: 9380,
  applied: 9380,
  lateDropped: 0,
  badDropped: 0,
  missing: 0,
  duplicatesDropped: 6,
  refused: 0,
  examplesApplied: 600_000,
  examplesDropped: 0,
  shards: job.ledger,
};

const part = (shard: number, begin: number, end: number) => ({
  shard,
  ranges: [{ begin, end }],
  version: 4690,
  ledger: {
    closed: [[0, 5] as [number, number]],
    open: [],
    duplicatesDropped: 3,
    lateDropped: 0,
    badDropped: 0,
    examplesApplied: 300_000,
    examplesDropped: 0,
    badPushes: [],
  },
});

/** Of a model with one variable, so that it can be read. */
export const checkpointManifest: CheckpointManifest = {
  format: 'downpour-checkpoint',
  v: 1,
  job: job.id,
  checkpoint: 1,
  why: 'end',
  at: checkpoint.at,
  epoch: 5,
  step: 4690,
  exact: true,
  file: { name: 'model.safetensors', bytes: checkpoint.bytes, sha256: checkpoint.digest ?? '' },
  spec: job.spec,
  dataset: { id: 'mnist', summary: builtInSummary('mnist') },
  topology: { class_name: 'Sequential' },
  layout: {
    length: 7840,
    trainableLength: 7840,
    variables: [{ name: 'output/kernel', shape: [784, 10], offset: 0, length: 7840, trainable: true }],
  },
  chunks: { examples: 60_000, chunkSize: 1024, batchSize: 64, nPush: 1, epochs: 5, seed: 1 },
  slots: ['m', 'v'],
  shards: [part(0, 0, 3920), part(1, 3920, 7840)],
};

const stateEvent: JobEvent = { type: 'state', at: '2026-11-24T12:01:22.900Z', state: 'succeeded', reason: null };
export const eventStream = `id: 4711\nevent: state\ndata: ${JSON.stringify(stateEvent)}\n\n`;

export const datasetSpec: DatasetSpec = {
  name: 'Irises',
  format: 'csv',
  header: true,
  labelColumn: 'species',
  labelKind: 'class',
  normalisation: 'standard',
  testShare: 0.1,
};

export const mnist: DatasetRecord = {
  id: 'mnist',
  name: 'mnist',
  builtIn: true,
  files: [],
  bytes: 0,
  summary: builtInSummary('mnist'),
  createdAt: '2026-11-24T12:00:00.000Z',
};

export const irises: DatasetRecord = {
  id: 'ds-9f86d081884c7d659a2f',
  name: 'Irises',
  builtIn: false,
  spec: datasetSpec,
  files: [{ field: 'train', digest: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', bytes: 3975 }],
  bytes: 3975,
  summary: {
    trainExamples: 135,
    testExamples: 15,
    featureShape: [4],
    featureType: 'float32',
    labelKind: 'class',
    classes: 3,
    classNames: ['setosa', 'versicolor', 'virginica'],
    labelWidth: 1,
  },
  createdAt: '2026-11-24T12:00:00.000Z',
};

export const weights: WeightsRecord = { id: 'weights-5k1x0a9bzq2m', bytes: 814_296, variables: 4, parameters: 203_530 };

export const cluster: Cluster = {
  coordinator: 'gateway-a1b2c3',
  members: [
    {
      role: 'worker',
      instance: 'worker-9x8y7z',
      host: 'rack-3',
      pid: 4242,
      startedAt: '2026-11-24T11:58:00.000Z',
      version: '0.1.0',
      draining: false,
      details: { threads: 1 },
    },
  ],
  nats: { server: '127.0.0.1:4222', version: '2.15.1', maxPayloadBytes: 1_048_576, connected: true, clustered: false },
};

export const problems = {
  invalid: {
    type: 'about:blank',
    title: 'Bad request',
    status: 400,
    detail: 'The job is not right: shards: Too small: expected number to be >=1',
    instance: '/v1/jobs',
    code: 'invalid-request',
    errors: [{ field: 'shards', message: 'Too small: expected number to be >=1' }],
  },
  unfit: {
    type: 'about:blank',
    title: 'Unprocessable content',
    status: 422,
    detail: 'There is no data set cifar: upload it with POST /v1/datasets, or take one of GET /v1/datasets',
    instance: '/v1/jobs',
    code: 'invalid-request',
    errors: [
      {
        field: 'dataset',
        message: 'There is no data set cifar: upload it with POST /v1/datasets, or take one of GET /v1/datasets',
      },
    ],
  },
  missing: {
    type: 'about:blank',
    title: 'Not found',
    status: 404,
    detail: 'There is no job job-x: GET /v1/jobs lists them',
    instance: '/v1/jobs/job-x',
    code: 'not-found',
  },
  conflict: {
    type: 'about:blank',
    title: 'Conflict',
    status: 409,
    detail: 'Job job-k3x90a1bzq has succeeded already: there is nothing to cancel',
    instance: '/v1/jobs/job-k3x90a1bzq/cancel',
    code: 'conflict',
  },
  tooLarge: {
    type: 'about:blank',
    title: 'Content too large',
    status: 413,
    detail: 'The body is larger than 1048576 bytes, the most that is taken here',
    instance: '/v1/jobs',
    code: 'too-large',
  },
  mediaType: {
    type: 'about:blank',
    title: 'Unsupported media type',
    status: 415,
    detail: 'Send the body as application/json, and say so in the header Content-Type',
    instance: '/v1/jobs',
    code: 'invalid-request',
  },
  unavailable: {
    type: 'about:blank',
    title: 'Service unavailable',
    status: 503,
    detail: 'There is no connection to NATS at present',
    instance: '/v1/jobs',
    code: 'unavailable',
  },
} as const satisfies Record<string, Problem>;

export const modelGraphExample: ModelGraph = graphOf({
  partitions: 2,
  nodes: [
    {
      layer: 'hidden',
      className: 'Dense',
      partition: 0,
      inputs: ['input'],
      parameters: 401_920,
      costMs: 1.9,
      outputBytes: 2048,
    },
    {
      layer: 'output',
      className: 'Dense',
      partition: 1,
      inputs: ['hidden'],
      parameters: 5130,
      costMs: 0.1,
      outputBytes: 40,
    },
  ],
  variables: [0, 0, 1, 1],
});
