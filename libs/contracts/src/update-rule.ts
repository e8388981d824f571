import { z } from 'zod';

const learningRate = (byDefault: number) =>
  z.number().positive().max(1000).default(byDefault).describe(`Learning rate. Default ${byDefault}`);

/** What a shard does with a gradient (libs/parameters/src/update-rules, one file each). Defaults are TensorFlow's (tf.train.*). */
export const updateRuleSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('sgd'), learningRate: learningRate(0.05) }),
    z.strictObject({
      kind: z.literal('momentum'),
      learningRate: learningRate(0.01),
      momentum: z.number().min(0).lt(1).default(0.9),
      nesterov: z.boolean().default(false),
    }),
    z.strictObject({
      kind: z.literal('adagrad'),
      learningRate: learningRate(0.05),
      initialAccumulator: z
        .number()
        .min(0)
        .default(0.1)
        .describe('Start of the sum of squares. The paper publishes none; TensorFlow uses 0.1'),
    }),
    z.strictObject({
      kind: z.literal('rmsprop'),
      learningRate: learningRate(0.001),
      decay: z.number().min(0).lt(1).default(0.9),
      momentum: z.number().min(0).lt(1).default(0),
      epsilon: z.number().positive().default(1e-7),
    }),
    z.strictObject({
      kind: z.literal('adam'),
      learningRate: learningRate(0.001),
      beta1: z.number().min(0).lt(1).default(0.9),
      beta2: z.number().min(0).lt(1).default(0.999),
      epsilon: z.number().positive().default(1e-7),
    }),
  ])
  .meta({ id: 'UpdateRule' });
export type UpdateRuleSpec = z.infer<typeof updateRuleSchema>;
