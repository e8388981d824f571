import type { EvaluationMetric, JobSpecInput, UpdateRuleSpec } from '@downpour/contracts';
import { updateRuleSchema } from '@downpour/contracts';
import { refusal } from './refusal.ts';
import type { LayersModelLike, OptimizerLike, TensorFlow } from './tensorflow.ts';

type Loss = NonNullable<JobSpecInput['loss']>;

/** Rates are those of tfjs where it makes an optimizer of a name. */
const NAMED_OPTIMIZERS: Readonly<Record<string, UpdateRuleSpec>> = {
  sgd: { kind: 'sgd', learningRate: 0.01 },
  adagrad: { kind: 'adagrad', learningRate: 0.01, initialAccumulator: 0.1 },
  rmsprop: { kind: 'rmsprop', learningRate: 0.001, decay: 0.9, momentum: 0, epsilon: 1e-7 },
  adam: { kind: 'adam', learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
};

const LOSSES: Readonly<Record<string, Loss>> = {
  categoricalCrossentropy: 'softmaxCrossEntropy',
  sparseCategoricalCrossentropy: 'softmaxCrossEntropy',
  softmaxCrossEntropy: 'softmaxCrossEntropy',
  binaryCrossentropy: 'sigmoidCrossEntropy',
  sigmoidCrossEntropy: 'sigmoidCrossEntropy',
  meanSquaredError: 'meanSquaredError',
};

/** Names of tfjs's metrics. Accuracy is always evaluated. */
const METRICS: Readonly<Record<string, EvaluationMetric>> = {
  accuracy: 'accuracy',
  acc: 'accuracy',
  binaryAccuracy: 'accuracy',
  categoricalAccuracy: 'accuracy',
  sparseCategoricalAccuracy: 'accuracy',
  precision: 'precision',
  recall: 'recall',
  meanSquaredError: 'meanSquaredError',
  mse: 'meanSquaredError',
  MSE: 'meanSquaredError',
  meanAbsoluteError: 'meanAbsoluteError',
  mae: 'meanAbsoluteError',
  MAE: 'meanAbsoluteError',
};

const list = (names: Iterable<string>): string => [...new Set(names)].join(', ');

/**
 * A tf.Optimizer, or Keras's name of one, as what the shards do with a gradient.
 * @throws DownpourError invalid-request for one that Downpour has not
 */
export function updateRuleOf(optimizer: OptimizerLike | string): UpdateRuleSpec {
  if (typeof optimizer === 'string') {
    const rule = NAMED_OPTIMIZERS[optimizer.toLowerCase()];
    if (rule === undefined) throw unknownOptimizer(optimizer);
    return rule;
  }
  const config = optimizer.getConfig() as Record<string, unknown>;
  const { learningRate, momentum, decay, epsilon } = config;
  const rule = (): unknown => {
    switch (optimizer.getClassName()) {
      case 'SGD':
        return { kind: 'sgd', learningRate };
      case 'Momentum':
        return { kind: 'momentum', learningRate, momentum, nesterov: config['useNesterov'] };
      case 'Adagrad':
        return { kind: 'adagrad', learningRate, initialAccumulator: config['initialAccumulatorValue'] };
      case 'RMSProp':
        if (config['centered'] === true)
          throw refusal(
            'optimizer',
            'The shards have no centered RMSProp: leave out `centered`, or take another optimizer',
          );
        return { kind: 'rmsprop', learningRate, decay, momentum, epsilon };
      case 'Adam':
        return { kind: 'adam', learningRate, beta1: config['beta1'], beta2: config['beta2'], epsilon };
      default:
        throw unknownOptimizer(optimizer.getClassName());
    }
  };
  const parsed = updateRuleSchema.safeParse(rule());
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw refusal(
    'optimizer',
    `The shards cannot do ${optimizer.getClassName()} with ${issue?.path.join('.')} as it is: ${issue?.message}`,
  );
}

function unknownOptimizer(name: string) {
  return refusal(
    'optimizer',
    `Downpour has no update rule for the optimizer ${name}: compile with sgd, momentum, adagrad, rmsprop or adam, or give \`updateRule\``,
  );
}

/** The loss that a model was compiled with; null when it was not. @throws DownpourError invalid-request for one that Downpour has not */
export function lossOf({ loss }: LayersModelLike, tf: TensorFlow): Loss | null {
  const given: unknown = Array.isArray(loss) && loss.length <= 1 ? loss[0] : loss;
  if (given === undefined || given === null) return null;
  if (typeof given === 'function') {
    const known = Object.entries(tf.losses ?? {}).find(([name, own]) => own === given && name in LOSSES);
    if (known !== undefined) return LOSSES[known[0]]!;
    throw refusal(
      'loss',
      `The model is compiled with a function of its own as its loss; workers cannot run it. Take ${list(Object.values(LOSSES))}`,
    );
  }
  const kind = typeof given === 'string' ? LOSSES[given] : undefined;
  if (kind !== undefined) return kind;
  const what = typeof given === 'string' ? given : 'several losses';
  throw refusal(
    'loss',
    `Downpour cannot train with ${what}: compile with ${list(Object.keys(LOSSES))}, or give \`loss\``,
  );
}

/** What evaluations are to tell, by the metrics that a model was compiled with. @throws DownpourError invalid-request for others */
export function metricsOf({ metrics }: LayersModelLike): EvaluationMetric[] | null {
  if (metrics === undefined || metrics === null) return null;
  const names: unknown[] = Array.isArray(metrics) ? metrics : [metrics];
  const known = names.map((name) => {
    const metric = typeof name === 'string' ? METRICS[name] : undefined;
    if (metric !== undefined) return metric;
    const what = typeof name === 'string' ? name : 'a metric that is a function';
    throw refusal(
      'metrics',
      `Evaluations cannot tell ${what}: compile with ${list(Object.keys(METRICS))}, or give \`metrics\``,
    );
  });
  return known.length === 0 ? null : [...new Set(known)];
}
