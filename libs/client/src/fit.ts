import type { JobEvent, JobSpecInput } from '@downpour/contracts';
import { lossOf, metricsOf, updateRuleOf } from './compiled.ts';
import type { GatewayClient } from './gateway-client.ts';
import { Job } from './job.ts';
import { variablesOf } from './model-files.ts';
import type { ModelFiles } from './model-files.ts';
import { refusal } from './refusal.ts';
import type { LayersModelLike, OptimizerLike, TensorFlow } from './tensorflow.ts';
import { datasetUpload } from './training-data.ts';
import type { Examples } from './training-data.ts';
import { weightsFile } from './weights-file.ts';

/** Fields of a job's spec that the model and the data set stand for. */
type Given = 'model' | 'dataset' | 'initialWeights' | 'resumeFrom' | 'warmStartFrom';

/** Those of a job's spec (`epochs`, `batchSize`, `strategy`, ...), and what the caller wants of it. What is said here goes before what the model was compiled with. */
export interface FitOptions extends Omit<JobSpecInput, Given> {
  /** A tf.Optimizer or a name such as 'adam', in place of `updateRule`. @default what the model was compiled with, else Downpour's */
  optimizer?: OptimizerLike | string;
  /** Examples that evaluations are made on. @default none: on the training examples */
  validationData?: Examples;
  /** Share of the examples, the last ones, that is held out for evaluations. @default 0 */
  validationSplit?: number;
  onEvent?: (event: JobEvent) => void;
  /** Told as soon as the cluster has the job. */
  onJob?: (job: Job) => void;
  /** Cancels the job. */
  signal?: AbortSignal;
}

/** A copy of `model` with the parameters that the cluster has trained it to, from the model's own on. See Downpour.fit. */
export async function fit<Model extends LayersModelLike>(
  gateway: GatewayClient,
  tf: TensorFlow,
  model: Model,
  dataset: Examples | string,
  options: FitOptions = {},
): Promise<Model> {
  const { optimizer: _, validationData, validationSplit, onEvent, onJob, signal, ...given } = options;
  const spec = { ...given, ...(await specOf(tf, model, options)) };
  signal?.throwIfAborted();
  if (typeof dataset === 'string' && (validationData !== undefined || validationSplit !== undefined))
    throw refusal(
      'validationData',
      `The data set ${dataset} has a test split of its own, which evaluations are made on`,
    );
  const loss = spec.loss;
  if (typeof dataset !== 'string' && loss === undefined)
    throw refusal('loss', 'What is to be learnt? Compile the model with a loss, or give `loss`');
  const upload =
    typeof dataset === 'string'
      ? null
      : await datasetUpload(model, dataset, loss!, { name: given.name ?? 'fit', validationData, validationSplit });
  const file = await weightsFile(model);
  const id = upload === null ? (dataset as string) : (await gateway.upload(upload.spec, upload.files)).id;
  const weights = await gateway.uploadWeights(file);
  try {
    signal?.throwIfAborted();
    const submitted = await gateway.submit({ ...spec, dataset: id, initialWeights: weights.id });
    const job = new Job(submitted.id, gateway);
    onJob?.(job);
    await succeeded(job, onEvent, signal);
    return (await trainedModel(tf, model, await job.model())) as Model;
  } finally {
    // The job has its own copy by now.
    await gateway.deleteWeights(weights.id).catch(() => undefined);
  }
}

async function succeeded(job: Job, onEvent: FitOptions['onEvent'], signal: AbortSignal | undefined): Promise<void> {
  try {
    await job.succeeded({ signal, onEvent });
  } catch (error) {
    // Whether the caller gave up or `onEvent` threw: nobody waits for it any more. One that has ended says so, which is no matter.
    await job.cancel().catch(() => undefined);
    throw error;
  }
}

async function specOf(
  tf: TensorFlow,
  model: LayersModelLike,
  { optimizer, updateRule, loss, metrics }: FitOptions,
): Promise<Omit<JobSpecInput, 'dataset'>> {
  if (optimizer !== undefined && updateRule !== undefined)
    throw refusal('optimizer', 'Give either optimizer or updateRule, not both');
  if (model.inputs.length !== 1 || model.outputs.length !== 1)
    throw refusal(
      'model',
      `The model has ${model.inputs.length} inputs and ${model.outputs.length} outputs: one of each can be trained`,
    );
  const compiled = optimizer ?? model.optimizer;
  const rule = updateRule ?? (compiled === undefined ? undefined : updateRuleOf(compiled));
  const trained = loss ?? lossOf(model, tf) ?? undefined;
  const told = metrics ?? metricsOf(model) ?? undefined;
  return {
    model: { topology: topologyOf(model) },
    ...(rule === undefined ? {} : { updateRule: rule }),
    ...(trained === undefined ? {} : { loss: trained }),
    ...(told === undefined ? {} : { metrics: told }),
  };
}

function topologyOf(model: LayersModelLike): Record<string, unknown> {
  // tfjs hands out parts of its own objects.
  return JSON.parse(JSON.stringify(model.toJSON(null, false))) as Record<string, unknown>;
}

/** The user's own topology, so that names and everything that is not trained are as they were; compiled as the model was. */
async function trainedModel(tf: TensorFlow, model: LayersModelLike, files: ModelFiles): Promise<LayersModelLike> {
  const trained = await tf.models.modelFromJSON(topologyOf(model) as never);
  const variables = variablesOf(files);
  for (const weight of trained.weights) {
    const variable = variables.get(weight.originalName);
    if (variable === undefined) throw new Error(`The trained model lacks the variable ${weight.originalName}`);
    const tensor = tf.tensor(variable.values, variable.shape);
    weight.write(tensor as never);
    tensor.dispose();
  }
  const { optimizer, loss, metrics } = model;
  if (optimizer !== undefined) trained.compile({ optimizer: freshOptimizer(optimizer), loss, metrics } as never);
  return trained;
}

/** With the same settings and nothing remembered: two models must not share what an optimizer remembers of its variables. */
function freshOptimizer(optimizer: OptimizerLike): OptimizerLike {
  const own = optimizer.constructor as unknown as { fromConfig(self: unknown, config: object): OptimizerLike };
  return own.fromConfig(own, optimizer.getConfig());
}
