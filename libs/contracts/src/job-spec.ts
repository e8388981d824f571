import { z } from 'zod';
import { clusterSpecSchema } from './cluster-spec.ts';
import { augmentSchema } from './augment.ts';
import { checkpointSourceSchema } from './checkpoint.ts';
import { encodingSchema } from './encoding.ts';
import { gradientClipSchema, learningRateScheduleSchema } from './learning-rate-schedule.ts';
import { evaluationMetricSchema, metricSchema, type Metric } from './metric.ts';
import { modelSpecSchema } from './model-spec.ts';
import { partitionsSpecSchema } from './partitions.ts';
import { placementSchema } from './placement.ts';
import { sharesSteps, strategySchema, strategyWindow } from './strategy.ts';
import { updateRuleSchema } from './update-rule.ts';

const DEFAULT_STRATEGY = { kind: 'async', nFetch: 1, nPush: 1, warmstartSteps: 0, stalenessScaling: 'none' } as const;
/** Of the rules at their defaults, the one that stale gradients harm least: momentum at 0.03 diverges with two workers. */
const DEFAULT_RULE = { kind: 'adam', learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } as const;

/** The least that a push log may have: one slice of the largest max_payload fits, with some to spare. */
const LEAST_LOG_BYTES = 2 ** 20;

/** Where the pushes of a job are kept between the worker's acknowledgement and the snapshot that makes them dispensable. */
export const pushLogSchema = z.strictObject({
  storage: z
    .enum(['file', 'memory', 'none'])
    .default('file')
    .describe(
      'file: survives a restart of NATS. memory: faster; a restart of a lone NATS server ends the job. none: pushes go straight to the shards, which ' +
        'answer with the new parameters in the same round; what a shard has applied since its last snapshot is computed again when its process dies',
    ),
  replicas: z
    .union([z.literal(1), z.literal(3), z.literal(5)])
    .default(1)
    .describe("Copies of the job's streams, each on a NATS server of its own: at most as many as the cluster has"),
  maxBytes: z
    .int()
    .min(LEAST_LOG_BYTES)
    .optional()
    .describe(
      'NATS reserves so much for the log. A full log makes workers wait until shards have caught up and taken a snapshot. ' +
        'Default: 4 GiB on file, 1 GiB in memory, less where NATS has less',
    ),
});

const NOT_EVALUATED = 'evaluations do not tell it: put it into `metrics` too';
const isKnown = (metric: Metric, metrics: readonly Metric[]): boolean =>
  metric === 'loss' || metric === 'accuracy' || metrics.includes(metric);

/** One training run. Only `model` and `dataset` have no default. */
export const jobSpecSchema = z
  .strictObject({
    name: z.string().min(1).max(120).optional().describe('A name for people. Default: the job id'),
    model: modelSpecSchema,
    dataset: z.string().min(1).max(120).describe('Id of an uploaded data set, or a built-in one: mnist, fashion-mnist'),
    batchSize: z.int().min(1).max(65_536).default(64).describe('Examples of one step of one replica'),
    epochs: z.int().min(1).max(100_000).default(5),
    chunkSize: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe('Examples of one chunk, the unit a worker takes. Default: 16 batches'),
    seed: z
      .int()
      .min(0)
      .max(0xffff_ffff)
      .default(1)
      .describe("Seeds the initial parameters and each epoch's shuffling"),
    loss: z
      .enum(['softmaxCrossEntropy', 'sigmoidCrossEntropy', 'meanSquaredError'])
      .optional()
      .describe('Default: softmaxCrossEntropy for a data set of classes, meanSquaredError for numbers'),
    labelSmoothing: z
      .number()
      .min(0)
      .lt(1)
      .default(0)
      .describe(
        'In training, not in evaluations: so much of each target is spread evenly. Softmax: y * (1 - s) + s / classes; sigmoid: y * (1 - s) + s / 2. Not for meanSquaredError',
      ),
    classWeights: z
      .array(z.number().min(0).max(1e6))
      .min(1)
      .max(100_000)
      .refine((weights) => weights.some((weight) => weight > 0), { message: 'at least one weight must be above 0' })
      .optional()
      .describe(
        "In training, not in evaluations: a weight for each class, which each example's loss is multiplied by; a batch's loss is still the mean over its examples. Default: 1 each",
      ),
    augment: augmentSchema
      .optional()
      .describe('In training, not in evaluations: random changes of images, the same for the same seed. Default: none'),
    metrics: z
      .array(evaluationMetricSchema)
      .max(evaluationMetricSchema.options.length)
      .default(['accuracy'])
      .describe(
        'Of evaluations, over the whole test split, beside loss and accuracy, which are always there. topK: share whose class is among the topK likeliest. precision, ' +
          'recall: mean over the classes, each counting the same; of class 1 for a model with one output. meanSquaredError, meanAbsoluteError: of numbers',
      ),
    topK: z.int().min(2).max(1_000_000).default(5).describe('How many answers the metric topK looks at'),
    strategy: strategySchema.default(DEFAULT_STRATEGY),
    updateRule: updateRuleSchema.default(DEFAULT_RULE),
    learningRateSchedule: learningRateScheduleSchema
      .optional()
      .describe("Multiplies the update rule's learning rate. Default: it stays as it is"),
    weightDecay: z
      .number()
      .positive()
      .max(1000)
      .optional()
      .describe(
        'Decoupled (AdamW): before a gradient is applied, every trainable value loses learning rate * weightDecay of itself, biases too, whatever the update rule. Default: none',
      ),
    gradientClip: gradientClipSchema
      .optional()
      .describe(
        'Workers clip the gradient of each step before it is accrued and pushed. Values of state are left alone',
      ),
    gradientAccumulation: z
      .int()
      .min(1)
      .max(10_000)
      .default(1)
      .describe(
        'A push is the mean gradient over the examples of so many steps, all on the same parameters: as one batch that many times as large, where memory has no room for one. ' +
          '(nPush of the strategy pushes sums.) It ends with its chunk: give chunkSize as a multiple',
      ),
    shards: z
      .int()
      .min(1)
      .max(256)
      .optional()
      .describe(
        'Parameter shards of the job. Default: two for each live parameter-shard process, so that one that joins later can take some over',
      ),
    placement: placementSchema
      .default('split')
      .describe(
        'How variables are laid on shards. even (or split): the vector cut into equal runs. Whole variables: roundRobin, one after the other; greedy, each to the shard ' +
          'that holds least; byteBalanced, the same, largest first. { policy, partitioner }: variables are cut first',
      ),
    cluster: clusterSpecSchema
      .optional()
      .describe(
        'Only these processes serve the job; one that is not there is waited for. Any worker may build the model and evaluate it. Default: all',
      ),
    partitions: partitionsSpecSchema
      .optional()
      .describe(
        'Cut the model: each replica is a group of workers that hold a part of it each. Default: a worker holds all of it',
      ),
    encoding: encodingSchema.default({ gradients: 'float32', parameters: 'float32' }),
    evaluateEvery: z
      .number()
      .positive()
      .max(100_000)
      .default(1)
      .describe('Evaluate on the test split every so many epochs; fractions allowed'),
    stopAt: z
      .strictObject({ metric: metricSchema, value: z.number() })
      .optional()
      .describe(
        'Stop once an evaluation reaches this: loss and errors at most, others at least. One of `metrics`, accuracy or loss',
      ),
    earlyStopping: z
      .strictObject({
        metric: metricSchema.default('loss'),
        patience: z.int().min(1).max(10_000).describe('So many evaluations in a row without an improvement stop it'),
        minDelta: z.number().min(0).default(0).describe('What counts as an improvement must be more than this'),
      })
      .optional()
      .describe(
        'Stop once `metric` (one of `metrics`, accuracy or loss) no longer gets better than at its best. The job keeps the parameters it has by then, not those of the best evaluation',
      ),
    checkpointEvery: z
      .number()
      .positive()
      .max(100_000)
      .optional()
      .describe(
        'A checkpoint every so many epochs, fractions allowed. Default: only at a pause, at the end, and on request',
      ),
    keepCheckpoints: z
      .int()
      .min(1)
      .max(1000)
      .default(3)
      .describe('Of the checkpoints that `checkpointEvery` takes, so many of the newest are kept'),
    resumeFrom: checkpointSourceSchema
      .optional()
      .describe(
        "Go on from another job's checkpoint: parameters, what the update rule remembers, and position. `epochs` counts from the first job's beginning",
      ),
    warmStartFrom: checkpointSourceSchema
      .optional()
      .describe("Begin with the parameters of another job's checkpoint, all else afresh"),
    initialWeights: z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/, 'the id that POST /v1/weights has answered with')
      .optional()
      .describe(
        'Begin with parameters that were uploaded with POST /v1/weights: every variable of the model by its name. Default: drawn by `seed`',
      ),
    keepLog: z
      .boolean()
      .default(false)
      .describe(
        'Keep every push, also after the end, so that `downpour replay` can rebuild any version of the parameters. Costs the bytes of all gradients',
      ),
    onBadGradient: z
      .enum(['fail', 'skip'])
      .default('fail')
      .describe(
        'A gradient with NaN or infinity in it is never applied. fail: the job ends and names worker and chunk. skip: the push is dropped, ' +
          'counted as badDropped on every shard, and training goes on',
      ),
    log: pushLogSchema.default({ storage: 'file', replicas: 1 }),
  })
  .refine(({ resumeFrom, warmStartFrom }) => resumeFrom === undefined || warmStartFrom === undefined, {
    path: ['warmStartFrom'],
    message: 'give either resumeFrom or warmStartFrom, not both',
  })
  .refine(
    ({ resumeFrom, warmStartFrom, initialWeights }) =>
      initialWeights === undefined || (resumeFrom === undefined && warmStartFrom === undefined),
    { path: ['initialWeights'], message: 'a job begins from a checkpoint or from uploaded weights, not from both' },
  )
  .refine(
    ({ strategy, gradientAccumulation }) =>
      gradientAccumulation === 1 || Object.values(strategyWindow(strategy)).every((steps) => steps === 1),
    {
      path: ['gradientAccumulation'],
      message:
        'goes with a strategy that fetches and pushes at every step: leave out nFetch and nPush, or accumulate with nPush',
    },
  )
  .refine(
    ({ strategy, learningRateSchedule, weightDecay, gradientClip }) =>
      strategy.kind !== 'sandblaster' ||
      [learningRateSchedule, weightDecay, gradientClip].every((each) => each === undefined),
    {
      path: ['strategy'],
      message:
        'sandblaster searches for the length of each step: it has no use for learningRateSchedule, weightDecay and gradientClip. Leave them out',
    },
  )
  .refine(({ stopAt, metrics }) => stopAt === undefined || isKnown(stopAt.metric, metrics), {
    path: ['stopAt', 'metric'],
    message: NOT_EVALUATED,
  })
  .refine(({ earlyStopping, metrics }) => earlyStopping === undefined || isKnown(earlyStopping.metric, metrics), {
    path: ['earlyStopping', 'metric'],
    message: NOT_EVALUATED,
  })
  .refine(
    ({ learningRateSchedule: schedule, metrics }) =>
      schedule?.kind !== 'reduceOnPlateau' || isKnown(schedule.metric, metrics),
    { path: ['learningRateSchedule', 'metric'], message: NOT_EVALUATED },
  )
  .refine(({ keepLog, log }) => !keepLog || log.storage !== 'none', {
    path: ['keepLog'],
    message: 'a job without a push log (log.storage none) has none to keep',
  })
  .refine(({ strategy, log }) => !sharesSteps(strategy) || log.storage !== 'none', {
    path: ['log', 'storage'],
    message: 'a strategy whose steps are made of several gradients needs a push log: choose file or memory',
  })
  .refine(({ strategy, augment }) => strategy.kind !== 'sandblaster' || augment === undefined, {
    path: ['augment'],
    message: 'a line search needs the same loss at the same point: leave it out with strategy sandblaster',
  })
  .refine(({ partitions, strategy }) => partitions === undefined || strategy.kind === 'async', {
    path: ['partitions'],
    message: 'a model that is cut trains with strategy async: replicas do not wait for each other',
  })
  .refine(({ partitions, gradientClip }) => partitions === undefined || gradientClip?.norm === undefined, {
    path: ['gradientClip', 'norm'],
    message: 'no member of a group sees the whole gradient: clip by value, or leave out partitions',
  })
  .refine(({ partitions, batchSize }) => partitions === undefined || partitions.microBatches <= batchSize, {
    path: ['partitions', 'microBatches'],
    message: 'a batch has fewer examples than that',
  })
  .meta({ id: 'JobSpec' });
/** A spec with every default filled in. */
export type JobSpec = z.infer<typeof jobSpecSchema>;
/** A spec as a user writes it. */
export type JobSpecInput = z.input<typeof jobSpecSchema>;
export type PushLogSpec = z.infer<typeof pushLogSchema>;
