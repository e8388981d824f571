import { invalidModel } from './invalid-model.ts';
import { describe, isObject } from './json.ts';

/** Activations of tfjs under their Keras names. hard_sigmoid is left out: Keras 3 and tfjs mean different functions by it. */
export const SUPPORTED_ACTIVATIONS = [
  'linear',
  'relu',
  'relu6',
  'elu',
  'selu',
  'sigmoid',
  'softmax',
  'softplus',
  'softsign',
  'tanh',
  'swish',
  'mish',
  'gelu',
] as const;

const ACTIVATION_ALIASES: Record<string, string> = { silu: 'swish' };

/** Keras class or function name -> tfjs class. */
const INITIALIZERS: Record<string, string> = {
  zeros: 'Zeros',
  ones: 'Ones',
  constant: 'Constant',
  randomnormal: 'RandomNormal',
  randomuniform: 'RandomUniform',
  truncatednormal: 'TruncatedNormal',
  variancescaling: 'VarianceScaling',
  glorotuniform: 'GlorotUniform',
  glorotnormal: 'GlorotNormal',
  xavieruniform: 'GlorotUniform',
  xaviernormal: 'GlorotNormal',
  henormal: 'HeNormal',
  heuniform: 'HeUniform',
  lecunnormal: 'LeCunNormal',
  lecununiform: 'LeCunUniform',
  orthogonal: 'Orthogonal',
  identity: 'Identity',
};
const INITIALIZER_KEYS = [
  'value',
  'mean',
  'stddev',
  'minval',
  'maxval',
  'scale',
  'mode',
  'distribution',
  'gain',
  'seed',
];

/** Keras 2: a name. Keras 3: a name, or `{ class_name: 'function', config: name }`. */
export function canonicalActivation(value: unknown, path: string): string {
  if (value === null || value === undefined) return 'linear';
  const given = isObject(value) ? (typeof value['config'] === 'string' ? value['config'] : value['class_name']) : value;
  const name = typeof given === 'string' ? given.toLowerCase() : '';
  const known = ACTIVATION_ALIASES[name] ?? name;
  if ((SUPPORTED_ACTIVATIONS as readonly string[]).includes(known)) return known;
  throw invalidModel(
    path,
    `Activation ${describe(given)} is not supported. Supported: ${SUPPORTED_ACTIVATIONS.join(', ')}.`,
  );
}

/** The class name that tfjs knows, and only the settings that it reads. */
export function canonicalInitializer(value: unknown, path: string): unknown {
  if (value === null || value === undefined) return undefined;
  const name = isObject(value) ? value['class_name'] : value;
  const known = typeof name === 'string' ? INITIALIZERS[name.toLowerCase().replaceAll('_', '')] : undefined;
  if (!known) {
    const supported = [...new Set(Object.values(INITIALIZERS))].join(', ');
    throw invalidModel(path, `Initializer ${describe(name)} is not supported. Supported: ${supported}.`);
  }
  const given = isObject(value) && isObject(value['config']) ? value['config'] : {};
  const config = Object.fromEntries(
    INITIALIZER_KEYS.filter((key) => given[key] !== undefined && given[key] !== null).map((key) => [key, given[key]]),
  );
  const { distribution, seed } = config;
  // tfjs calls the truncated normal distribution `normal` and draws it for both of Keras's names.
  if (distribution === 'truncated_normal' || distribution === 'untruncated_normal') config['distribution'] = 'normal';
  if (seed !== undefined && typeof seed !== 'number') delete config['seed'];
  return { class_name: known, config };
}

/** Keras's L1, L2 and L1L2 -> tfjs's L1L2. */
export function canonicalRegularizer(value: unknown, path: string): unknown {
  if (value === null || value === undefined) return null;
  const name = isObject(value) ? String(value['class_name']) : String(value);
  if (!['l1', 'l2', 'l1l2', 'l1_l2'].includes(name.toLowerCase()))
    throw invalidModel(path, `Regularizer ${describe(name)} is not supported. Supported: L1, L2, L1L2.`);
  const config = isObject(value) && isObject(value['config']) ? value['config'] : {};
  const strength = (key: string) => {
    const given = config[key] ?? (isObject(value) || !name.toLowerCase().includes(key) ? 0 : 0.01);
    if (typeof given !== 'number' || !(given >= 0))
      throw invalidModel(`${path}.config.${key}`, `Expected a number of at least 0, got ${describe(given)}.`);
    return given;
  };
  return { class_name: 'L1L2', config: { l1: strength('l1'), l2: strength('l2') } };
}

/** float32, as a string or as a Keras 3 dtype policy. */
export function checkDtype(value: unknown, path: string): void {
  if (value === null || value === undefined) return;
  const name = isObject(value) && isObject(value['config']) ? value['config']['name'] : value;
  if (name !== 'float32')
    throw invalidModel(path, `Type ${describe(name)} is not supported: parameters are float32. Use float32.`);
}

/** Shape with its batch dimension: the batch's size is left open, everything else must be known. */
export function canonicalBatchShape(value: unknown, path: string): (number | null)[] {
  const good = (size: unknown) => typeof size === 'number' && Number.isInteger(size) && size > 0;
  if (!Array.isArray(value) || value.length < 2 || !value.slice(1).every(good))
    throw invalidModel(
      path,
      `Expected the shape of a batch with every size but the first known, such as [null, 28, 28, 1], got ${describe(value)}.`,
    );
  return [null, ...(value.slice(1) as number[])];
}
