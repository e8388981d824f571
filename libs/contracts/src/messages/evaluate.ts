import { z } from 'zod';

/**
 * One item of the evaluation queue, subject `subjects.evaluate(jobId)`: pull the parameters, evaluate on the test split (the training
 * split where there is none), publish an `evaluation` event. With `final`, first write the model: objects.modelTopology and
 * objects.modelWeights. Handed out again if its worker dies.
 */
export const evaluateTaskSchema = z.strictObject({
  type: z.literal('evaluate'),
  v: z.literal(1),
  jobId: z.string(),
  epoch: z.number(),
  final: z.boolean(),
});
export type EvaluateTask = z.infer<typeof evaluateTaskSchema>;
