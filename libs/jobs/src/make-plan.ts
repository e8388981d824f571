import type {
  CheckpointManifest,
  ChunkPlan,
  DatasetSummary,
  JobPlan,
  JobRecord,
  JobSpec,
  KeyRange,
  Member,
  ModelCut,
  ParameterLayout,
  PrepareReply,
  PushLogSpec,
} from '@downpour/contracts';
import { DownpourError, stepWindow, warmstartStepsOf } from '@downpour/contracts';
import { maxShards, originOf, placeCut, placeParameters } from '@downpour/parameters';
import { formGroups } from './groups.ts';
import type { Load } from './shard-owners.ts';
import { firstOwners } from './shard-owners.ts';
import { available } from './waiting.ts';

/** Batches of a chunk where the spec does not say: large enough that taking one costs little, small enough that a lost one does. */
const BATCHES_PER_CHUNK = 16;

export function chunkPlanOf(spec: JobSpec, dataset: DatasetSummary): ChunkPlan {
  const { gradientAccumulation } = spec;
  // Whole windows: one that is cut off by its chunk's end is a smaller batch than was asked for.
  const batches = Math.ceil(BATCHES_PER_CHUNK / gradientAccumulation) * gradientAccumulation;
  return {
    examples: dataset.trainExamples,
    chunkSize: Math.min(spec.chunkSize ?? batches * spec.batchSize, dataset.trainExamples),
    batchSize: spec.batchSize,
    nPush: stepWindow(spec).nPush,
    epochs: spec.epochs,
    seed: spec.seed,
  };
}

/** More shards than processes, so that a process that joins in mid-job is used at once: it is given one that is there already. */
const SHARDS_PER_PROCESS = 2;

/** Where the spec does not say, as far as the model can be cut. */
function shardCount(spec: JobSpec, layout: ParameterLayout, processes: number): number {
  return spec.shards ?? Math.max(1, Math.min(SHARDS_PER_PROCESS * processes, maxShards(layout, spec.placement)));
}

function place(
  spec: JobSpec,
  layout: ParameterLayout,
  cut: ModelCut | undefined,
  processes: number,
): { partition?: number; ranges: KeyRange[] }[] {
  const shards = shardCount(spec, layout, processes);
  if (!cut) return placeParameters(layout, shards, spec.placement, spec.updateRule).map((ranges) => ({ ranges }));
  // By default at least one for each partition.
  const enough = spec.shards === undefined ? Math.max(shards, new Set(cut.variables).size) : shards;
  return placeCut(layout, cut, enough, spec.placement, spec.updateRule);
}

/** A log must hold the pushes of all workers that are on their way while shards take the snapshots that make room in it. */
const LEAST_PUSHES_IN_LOG = 16;

/** @throws DownpourError `invalid-request` when the log that the spec asks for is too small for the model. */
function checkLog(log: PushLogSpec, layout: ParameterLayout): void {
  const least = LEAST_PUSHES_IN_LOG * layout.length * Float32Array.BYTES_PER_ELEMENT;
  if (log.storage === 'none' || log.maxBytes === undefined || log.maxBytes >= least) return;
  throw new DownpourError(
    'invalid-request',
    `log.maxBytes ${log.maxBytes} is too small for a model of ${layout.length} parameters: at least ${least}, room for ${LEAST_PUSHES_IN_LOG} of its gradients`,
    { field: 'log.maxBytes' },
  );
}

/** What L-BFGS cannot do with. @throws DownpourError `invalid-request` */
function checkSandblaster(spec: JobSpec, layout: ParameterLayout): void {
  const refuse = (field: string, why: string) => {
    throw new DownpourError('invalid-request', `strategy sandblaster ${why}`, { field });
  };
  if (layout.trainableLength < layout.length)
    refuse('model', 'trains no model with state, such as BatchNormalization: its loss depends on the batch');
  if (spec.encoding.gradients !== 'float32' || spec.encoding.parameters !== 'float32')
    refuse('encoding', 'needs gradients and parameters in float32: a line search sees what an encoding takes away');
  if (spec.resumeFrom !== undefined)
    refuse('resumeFrom', 'begins afresh from a checkpoint: take warmStartFrom, or pause and resume the job itself');
  if (spec.keepLog) refuse('keepLog', 'has no push log to keep');
}

/**
 * The plan of a prepared job. `manifest`: of the checkpoint it begins from.
 * @throws DownpourError `invalid-request` when the spec asks for more shards than the model can be cut into, for too few to hold it, or to begin from
 *   the checkpoint of another model.
 */
export function makePlan(
  job: JobRecord,
  dataset: DatasetSummary,
  prepared: PrepareReply,
  members: readonly Member[],
  loads: Map<string, Load>,
  manifest: CheckpointManifest | null = null,
): JobPlan {
  const { layout, topology, loss } = prepared;
  const spec: JobSpec = { ...job.spec, loss };
  if (spec.strategy.kind === 'sandblaster') {
    checkSandblaster(spec, layout);
    // Pushes go straight to the shards, and iterations are stored: there is nothing to replay.
    spec.log = { ...spec.log, storage: 'none' };
  }
  checkLog(spec.log, layout);
  const { cut } = prepared;
  if (spec.partitions && !cut)
    throw new DownpourError(
      'invalid-request',
      'The worker that prepared the job cannot cut models: run one version of Downpour',
      {
        field: 'partitions',
      },
    );
  const placed = place(spec, layout, cut, loads.size);
  const chunks = chunkPlanOf(spec, dataset);
  const kind = spec.resumeFrom === undefined ? 'warmStart' : 'resume';
  const origin = manifest === null ? null : originOf(manifest, { kind, layout, chunks, rule: spec.updateRule });
  const workers = available(members, 'worker').map(({ instance }) => instance);
  const groups = cut && formGroups({ newest: 0, formed: [] }, cut.partitions, workers);
  const firstWorker = groups ? groups.formed[0]?.members[0] : workers[0];
  return {
    v: 1,
    jobId: job.id,
    spec,
    dataset: { id: spec.dataset, summary: dataset },
    topology,
    layout,
    chunks,
    shards: firstOwners(
      placed.map(({ ranges }) => ranges),
      loads,
    ).map((shard, i) => ({ ...shard, ...(cut && { partition: placed[i]!.partition }) })),
    warmstartWorker: warmstartStepsOf(spec.strategy) > 0 ? (firstWorker ?? null) : null,
    phase: 'training',
    ...(origin === null ? {} : { origin }),
    ...(cut && { cut, groups }),
  };
}
