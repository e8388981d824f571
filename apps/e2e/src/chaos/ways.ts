import type { JobSpecInput } from '@downpour/contracts';

/** One way to keep replicas in step, as `npm run chaos -- --strategy NAME` runs it. */
export interface Way {
  name: string;
  /** What the job has otherwise than `chaosSpec`. */
  part: Partial<JobSpecInput>;
  /** It may drop pushes as late, and train their chunks again. */
  late: boolean;
  /** It comes to the same bits whatever happens. */
  same: boolean;
}

/** Bulk steps move by a mean: their rate is that of one replica. */
const AVERAGED = { kind: 'sgd', learningRate: 0.2 } as const;
/** Evaluations of a Sandblaster job for each epoch of another: it takes them on the whole data set, at about a third of an epoch's time. */
const EVALUATIONS = 5;
const PORTION_EXAMPLES = 2000;

export const WAYS = [
  { name: 'async', part: {}, late: false, same: false },
  {
    name: 'async-max-staleness',
    part: { strategy: { kind: 'async', maxStaleness: 2, stalenessScaling: 'inverse' } },
    late: true,
    same: false,
  },
  { name: 'ssp', part: { strategy: { kind: 'ssp', staleness: 3 } }, late: false, same: false },
  { name: 'sync', part: { strategy: { kind: 'sync' } }, late: true, same: false },
  { name: 'sync-backup', part: { strategy: { kind: 'sync', backups: 1 } }, late: true, same: false },
  {
    name: 'local-sgd',
    part: { strategy: { kind: 'localSgd', localSteps: 4 }, updateRule: AVERAGED },
    late: true,
    same: false,
  },
  {
    name: 'sandblaster',
    part: { strategy: { kind: 'sandblaster' }, batchSize: 500, chunkSize: PORTION_EXAMPLES, log: { storage: 'none' } },
    late: false,
    same: true,
  },
] as const satisfies Way[];

export type WayName = (typeof WAYS)[number]['name'];
export const WAY_NAMES: readonly WayName[] = WAYS.map(({ name }) => name);

export const wayNamed = (name: string): Way | undefined => WAYS.find((way) => way.name === name);

/** Examples of MNIST's training split. */
export const EXAMPLES = 60_000;

/**
 * Small chunks, so that one is done between two kills; the log on file, so that NATS may be killed. Adagrad's steps shrink, so that two
 * runs whose pushes came in different orders end close to each other: what differs more is the faults' doing.
 */
export const chaosSpec = (model: JobSpecInput['model'], epochs: number, shards: number, way?: Way): JobSpecInput => ({
  model,
  dataset: 'mnist',
  batchSize: 128,
  chunkSize: 1024,
  shards,
  seed: 1,
  updateRule: { kind: 'adagrad', learningRate: 0.05 },
  log: { storage: 'file' },
  ...way?.part,
  epochs: way?.same ? epochs * EVALUATIONS : epochs,
});
