/** Every NATS name in one place. Ids and instances are `[a-z0-9-]+`, so they are single subject tokens. */
export const subjects = {
  /** Core request to the process that owns a shard. */
  pull: (instance: string) => `dp.shard.${instance}.pull`,
  pushPull: (instance: string) => `dp.shard.${instance}.push-pull`,
  ledger: (instance: string) => `dp.shard.${instance}.ledger`,
  vectorOperations: (instance: string) => `dp.shard.${instance}.vector-operations`,
  restoreVectors: (instance: string) => `dp.shard.${instance}.restore-vectors`,
  /** Core request to whoever coordinates the job. */
  portion: (jobId: string) => `dp.portion.${jobId}`,
  /** Core request to any process: is it there? NATS itself says that nobody answers. */
  presence: (instance: string) => `dp.member.${instance}`,
  captureShard: (instance: string) => `dp.shard.${instance}.capture`,
  readCapture: (instance: string) => `dp.shard.${instance}.read-capture`,
  /** Core request to one worker. */
  holds: (instance: string) => `dp.worker.${instance}.holds`,
  groupWork: (instance: string) => `dp.worker.${instance}.group-work`,
  crossing: (instance: string) => `dp.worker.${instance}.crossing`,
  /** Stateless services, in queue groups. */
  composeCheckpoint: 'dp.shard.compose-checkpoint',
  enqueueEpoch: 'dp.sharder.enqueue-epoch',
  inspectDataset: 'dp.sharder.inspect-dataset',
  examples: 'dp.sharder.examples',
  prepare: 'dp.worker.prepare',
  /** JetStream. */
  push: (jobId: string, shard: number) => `dp.push.${jobId}.${shard}`,
  pushAll: (jobId: string) => `dp.push.${jobId}.*`,
  chunk: (jobId: string) => `dp.chunk.${jobId}`,
  evaluate: (jobId: string) => `dp.evaluate.${jobId}`,
  event: (jobId: string) => `dp.event.${jobId}`,
} as const;

export const streams = {
  pushLog: (jobId: string) => `dp-push-${jobId}`,
  chunks: (jobId: string) => `dp-chunk-${jobId}`,
  evaluations: 'dp-evaluate',
  events: 'dp-events',
} as const;

export const buckets = {
  members: 'dp-members',
  jobs: 'dp-jobs',
  plans: 'dp-plans',
  datasets: 'dp-datasets',
  lease: 'dp-lease',
  objects: 'dp-objects',
} as const;

/** Names in the object store. */
export const objects = {
  initialParameters: (jobId: string) => `jobs/${jobId}/initial`,
  snapshot: (jobId: string, shard: number, sequence: number) => `jobs/${jobId}/snapshots/${shard}/${sequence}`,
  snapshotPrefix: (jobId: string) => `jobs/${jobId}/snapshots/`,
  modelTopology: (jobId: string) => `jobs/${jobId}/model.json`,
  modelWeights: (jobId: string) => `jobs/${jobId}/weights.bin`,
  /** How the model is cut (ModelCut as JSON), where it is. */
  modelCut: (jobId: string) => `jobs/${jobId}/cut.json`,
  checkpointModel: (jobId: string, checkpoint: number) => `jobs/${jobId}/checkpoints/${checkpoint}/model.safetensors`,
  checkpointManifest: (jobId: string, checkpoint: number) => `jobs/${jobId}/checkpoints/${checkpoint}/manifest.json`,
  checkpointPrefix: (jobId: string, checkpoint: number) => `jobs/${jobId}/checkpoints/${checkpoint}/`,
  /** Plan of an ended job whose push log was kept. */
  keptPlan: (jobId: string) => `jobs/${jobId}/plan.json`,
  weights: (id: string) => `weights/${id}`,
  datasetFile: (digest: string) => `datasets/${digest}`,
} as const;

/** Queue groups of stateless services. What is asked of a shard's owner must not go through one. */
export const queueGroups = { sharders: 'dp-sharders', workers: 'dp-workers', shards: 'dp-shards' } as const;
