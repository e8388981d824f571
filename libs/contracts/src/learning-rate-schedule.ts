import { z } from 'zod';
import { metricSchema } from './metric.ts';

const factor = z.number().positive().max(1000);
const length = z.number().positive().max(1e12);

/** Fields of every kind. */
const common = {
  unit: z
    .enum(['versions', 'epochs'])
    .default('epochs')
    .describe(
      "What positions and lengths count. versions: a shard's version, which is one gradient applied, or one step of a strategy that has steps in common. " +
        "epochs: pushes that the shard has settled by the pushes of an epoch, fractions included. Both are the shard's own count",
    ),
  warmup: z
    .strictObject({
      over: length.describe('Length of the rise, in `unit`'),
      startFactor: z.number().min(0).max(1).default(0).describe('Factor of the first gradient'),
    })
    .optional()
    .describe(
      'The rate rises in a straight line from startFactor to 1. Lengths (`over`, `every`) of the schedule begin where it ends, as in TensorFlow; `boundaries` are positions in the job',
    ),
};

/** TensorFlow's names and defaults where it has them (tf.keras.optimizers.schedules, ReduceLROnPlateau). */
export const learningRateScheduleSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('constant'), ...common }),
    z
      .strictObject({
        kind: z.literal('step'),
        ...common,
        every: length.optional().describe('After each so many, times `factor`'),
        factor: factor.default(0.1),
        boundaries: z
          .array(z.number().min(0))
          .min(1)
          .max(1000)
          .optional()
          .describe(
            'Instead of `every`: rising positions. A factor holds up to its boundary, that included (PiecewiseConstantDecay)',
          ),
        factors: z
          .array(factor)
          .min(1)
          .max(1000)
          .optional()
          .describe('Factor after each boundary, of the rate at the beginning. Default: powers of `factor`'),
      })
      .refine(({ every, boundaries }) => (every === undefined) !== (boundaries === undefined), {
        message: 'give either every or boundaries',
      })
      .refine(({ boundaries = [] }) => boundaries.every((at, i) => i === 0 || at > boundaries[i - 1]!), {
        path: ['boundaries'],
        message: 'boundaries must rise',
      })
      .refine(({ boundaries, factors }) => factors === undefined || factors.length === boundaries?.length, {
        path: ['factors'],
        message: 'give one factor for each boundary',
      }),
    z.strictObject({
      kind: z.literal('cosine'),
      ...common,
      over: length.describe('Length of the fall; the rate stays at `alpha` after it'),
      alpha: z.number().min(0).max(1).default(0).describe('Factor at the end'),
    }),
    z.strictObject({
      kind: z.literal('exponential'),
      ...common,
      over: length.describe('Length in which the rate changes by `rate`'),
      rate: factor,
      staircase: z.boolean().default(false).describe('Only after each whole length'),
    }),
    z.strictObject({
      kind: z.literal('reduceOnPlateau'),
      ...common,
      metric: metricSchema.default('loss').describe("Of the job's evaluations on the test split"),
      factor: z.number().positive().lt(1).default(0.1),
      patience: z
        .int()
        .min(1)
        .max(10_000)
        .default(10)
        .describe('Evaluations without an improvement after which the rate is multiplied by `factor`'),
      minDelta: z.number().min(0).default(1e-4).describe('What counts as an improvement must be more than this'),
      minFactor: z
        .number()
        .min(1e-12)
        .max(1)
        .default(1e-6)
        .describe('The rate falls no lower than this times its beginning'),
    }),
  ])
  .meta({ id: 'LearningRateSchedule' });
export type LearningRateSchedule = z.infer<typeof learningRateScheduleSchema>;
export type ReduceOnPlateau = Extract<LearningRateSchedule, { kind: 'reduceOnPlateau' }>;

/** On the worker, before a gradient is accrued and pushed: only there the whole of it is known. */
export const gradientClipSchema = z
  .strictObject({
    value: z.number().positive().optional().describe('Every value is brought within [-value, value]'),
    norm: z
      .number()
      .positive()
      .optional()
      .describe('A gradient whose norm, over all trainable values of the model, is larger is scaled down to it'),
  })
  .refine(({ value, norm }) => value !== undefined || norm !== undefined, { message: 'give value, norm, or both' })
  .meta({ id: 'GradientClip' });
export type GradientClip = z.infer<typeof gradientClipSchema>;
