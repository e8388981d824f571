import { SUPPORTED_LAYERS } from '@downpour/contracts';
import { invalidModel } from './invalid-model.ts';
import { describe, type Json } from './json.ts';
import { checkLocalResponse } from './local-response-normalization.ts';

export type LayerClass = (typeof SUPPORTED_LAYERS)[number];

/** What a layer's config may say. Anything else is refused unless it says nothing (null, false, an empty list). */
export interface LayerRule {
  /** Settings that tfjs reads. `activation`, `*_initializer` and the like are brought into its form by their names. */
  keys: readonly string[];
  /** Settings that change nothing here, whatever they say. */
  ignored?: readonly string[];
  /** Further checks and Keras 3's new names; changes `config` in place. */
  adjust?: (config: Json, path: string) => void;
}

const KERNEL = ['kernel_initializer', 'kernel_regularizer', 'kernel_constraint'];
const BIAS = ['use_bias', 'bias_initializer', 'bias_regularizer', 'bias_constraint'];
const CONVOLUTION = ['kernel_size', 'strides', 'padding', 'dilation_rate', 'data_format', 'activation', ...BIAS];
const POOLING: LayerRule = { keys: ['pool_size', 'strides', 'padding', 'data_format'] };
const RECURRENT = [
  'units',
  'activation',
  'return_sequences',
  'go_backwards',
  'recurrent_initializer',
  'recurrent_regularizer',
  'recurrent_constraint',
  ...KERNEL,
  ...BIAS,
];
const RECURRENT_IGNORED = ['unroll', 'implementation', 'seed', 'zero_output_for_mask', 'use_cudnn'];
const NOTHING: LayerRule = { keys: [] };

function onlyOne(key: string) {
  return (config: Json, path: string) => {
    if ((config[key] ?? 1) !== 1)
      throw invalidModel(`${path}.${key}`, `Only 1 is supported, got ${describe(config[key])}.`);
    delete config[key];
  };
}

/** Keras 2 names the axis as a list of one, Keras 3 as a number; both mean the same. */
function scalarAxis(config: Json): void {
  const { axis } = config;
  if (Array.isArray(axis) && axis.length === 1) config['axis'] = axis[0];
}

const RULES: Record<LayerClass, LayerRule> = {
  InputLayer: { keys: ['batch_input_shape'], ignored: ['sparse', 'ragged', 'optional'] },
  Dense: { keys: ['units', 'activation', ...KERNEL, ...BIAS], ignored: ['lora_rank', 'lora_alpha'] },
  Conv2D: { keys: ['filters', ...CONVOLUTION, ...KERNEL, 'groups'], adjust: onlyOne('groups') },
  Conv2DTranspose: {
    keys: ['filters', ...CONVOLUTION, ...KERNEL, 'output_padding'],
    adjust: (config) => {
      if (config['output_padding'] === null) delete config['output_padding'];
    },
  },
  DepthwiseConv2D: {
    keys: [
      ...CONVOLUTION,
      'depth_multiplier',
      'depthwise_initializer',
      'depthwise_regularizer',
      'depthwise_constraint',
      'groups',
    ],
    // Keras 2 repeats the kernel's settings of the class it derives from; they are not read.
    ignored: [...KERNEL, 'filters'],
    adjust: onlyOne('groups'),
  },
  SeparableConv2D: {
    keys: [
      'filters',
      ...CONVOLUTION,
      'depth_multiplier',
      'depthwise_initializer',
      'depthwise_regularizer',
      'depthwise_constraint',
      'pointwise_initializer',
      'pointwise_regularizer',
      'pointwise_constraint',
      'groups',
    ],
    ignored: KERNEL,
    adjust: onlyOne('groups'),
  },
  MaxPooling2D: POOLING,
  AveragePooling2D: POOLING,
  GlobalAveragePooling2D: { keys: ['data_format', 'keepdims'], adjust: noKeepDims },
  GlobalMaxPooling2D: { keys: ['data_format', 'keepdims'], adjust: noKeepDims },
  UpSampling2D: { keys: ['size', 'data_format', 'interpolation'], adjust: nearestOnly },
  Cropping2D: { keys: ['cropping', 'data_format'] },
  ZeroPadding2D: { keys: ['padding', 'data_format'] },
  Flatten: { keys: ['data_format'] },
  Reshape: {
    keys: ['target_shape'],
    adjust: (config, path) => {
      if (!Array.isArray(config['target_shape']))
        throw invalidModel(
          `${path}.target_shape`,
          `Expected a list of sizes, got ${describe(config['target_shape'])}.`,
        );
    },
  },
  Permute: { keys: ['dims'] },
  Activation: { keys: ['activation'] },
  ReLU: {
    keys: ['max_value'],
    ignored: ['negative_slope', 'threshold'],
    adjust: (config, path) => {
      for (const key of ['negative_slope', 'threshold'])
        if ((config[key] ?? 0) !== 0)
          throw invalidModel(`${path}.${key}`, `Only 0 is supported; use LeakyReLU for a slope.`);
    },
  },
  LeakyReLU: {
    keys: ['alpha'],
    ignored: ['negative_slope'],
    adjust: (config) => {
      config['alpha'] ??= config['negative_slope'];
    },
  },
  ELU: {
    keys: ['alpha'],
    adjust: (config, path) => {
      if ((config['alpha'] ?? 1) !== 1) throw invalidModel(`${path}.alpha`, 'Only 1 is supported.');
    },
  },
  Softmax: { keys: ['axis'], adjust: scalarAxis },
  Dropout: {
    keys: ['rate'],
    // The step's seed fixes what is dropped, so that a run can be repeated.
    ignored: ['seed'],
    adjust: (config, path) => {
      const { rate } = config;
      if (typeof rate !== 'number' || !(rate >= 0 && rate < 1))
        throw invalidModel(`${path}.rate`, `Expected a share from 0 to below 1, got ${describe(rate)}.`);
    },
  },
  BatchNormalization: {
    keys: [
      'axis',
      'momentum',
      'epsilon',
      'center',
      'scale',
      'beta_initializer',
      'gamma_initializer',
      'moving_mean_initializer',
      'moving_variance_initializer',
      'beta_regularizer',
      'gamma_regularizer',
      'beta_constraint',
      'gamma_constraint',
    ],
    ignored: ['fused'],
    adjust: scalarAxis,
  },
  LocalResponseNormalization: { keys: ['depth_radius', 'bias', 'alpha', 'beta'], adjust: checkLocalResponse },
  LayerNormalization: {
    keys: [
      'axis',
      'epsilon',
      'center',
      'scale',
      'beta_initializer',
      'gamma_initializer',
      'beta_regularizer',
      'gamma_regularizer',
    ],
    adjust: scalarAxis,
  },
  Add: NOTHING,
  Multiply: NOTHING,
  Average: NOTHING,
  Maximum: NOTHING,
  Minimum: NOTHING,
  Concatenate: { keys: ['axis'] },
  Rescaling: { keys: ['scale', 'offset'] },
  Conv1D: {
    keys: ['filters', ...CONVOLUTION, ...KERNEL, 'groups'],
    adjust: (config, path) => {
      onlyOne('groups')(config, path);
      if (config['padding'] === 'causal')
        throw invalidModel(`${path}.padding`, 'Use valid or same; causal is not supported.');
    },
  },
  MaxPooling1D: POOLING,
  AveragePooling1D: POOLING,
  GlobalAveragePooling1D: { keys: ['data_format', 'keepdims'], adjust: noKeepDims },
  GlobalMaxPooling1D: { keys: ['data_format', 'keepdims'], adjust: noKeepDims },
  RepeatVector: { keys: ['n'] },
  Embedding: {
    keys: ['input_dim', 'output_dim', 'embeddings_initializer', 'embeddings_regularizer', 'embeddings_constraint'],
    // The input's shape says it.
    ignored: ['input_length', 'sparse', 'lora_rank', 'lora_alpha', 'quantization_config'],
    adjust: (config, path) => {
      if (config['mask_zero'])
        throw invalidModel(
          `${path}.mask_zero`,
          'Masks are not supported: set it to false; the model learns what the padding means.',
        );
    },
  },
  SimpleRNN: { keys: RECURRENT, ignored: RECURRENT_IGNORED, adjust: withoutRecurrentDropout },
  LSTM: {
    keys: [...RECURRENT, 'recurrent_activation', 'unit_forget_bias'],
    ignored: RECURRENT_IGNORED,
    adjust: (config, path) => {
      withoutRecurrentDropout(config, path);
      // Keras's default; tfjs's is another function.
      config['recurrent_activation'] ??= 'sigmoid';
    },
  },
  GRU: {
    keys: [...RECURRENT, 'recurrent_activation'],
    ignored: RECURRENT_IGNORED,
    adjust: (config, path) => {
      withoutRecurrentDropout(config, path);
      config['recurrent_activation'] ??= 'sigmoid';
      if (config['reset_after'])
        throw invalidModel(`${path}.reset_after`, 'Only false is supported: build the layer with reset_after=False.');
    },
  },
};

function withoutRecurrentDropout(config: Json, path: string): void {
  for (const key of ['dropout', 'recurrent_dropout']) {
    if ((config[key] ?? 0) !== 0)
      throw invalidModel(`${path}.${key}`, 'Only 0 is supported: put a Dropout layer before or after this one.');
    delete config[key];
  }
}

function noKeepDims(config: Json, path: string): void {
  if (config['keepdims'])
    throw invalidModel(`${path}.keepdims`, 'Only false is supported; add a Reshape layer instead.');
  delete config['keepdims'];
}

function nearestOnly(config: Json, path: string): void {
  if ((config['interpolation'] ?? 'nearest') !== 'nearest')
    throw invalidModel(`${path}.interpolation`, 'Only nearest is supported.');
}

/** What to do instead, for classes that people ask for. */
const INSTEAD: [RegExp, string][] = [
  [
    /^Random/,
    'Random changes of images are no layers here: leave it out and give the job `augment` ({ "crop": 4, "flip": true }).',
  ],
  [/^Masking$/, 'Masks are not supported: leave it out; the model learns what the padding means.'],
  [/^(Bidirectional|TimeDistributed)$/, 'Layers around layers are not supported: use the inner layer by itself.'],
  [
    /^(Sequential|Functional|Model)$/,
    "Models inside models are not supported: put the inner model's layers in its place.",
  ],
  [/^(Lambda|TFOpLambda|SlicingOpLambda)$/, 'It holds Python code. Use layers instead.'],
];

export function ruleOf(className: unknown, path: string): LayerRule {
  if (typeof className === 'string' && Object.hasOwn(RULES, className)) return RULES[className as LayerClass];
  const instead = INSTEAD.find(([classes]) => classes.test(String(className)))?.[1];
  throw invalidModel(
    path,
    `Layer class ${describe(className)} is not supported. ${instead ? `${instead} ` : ''}Supported: ${SUPPORTED_LAYERS.join(', ')}.`,
  );
}
