import { z } from 'zod';

/** Layer classes that the engine can build and differentiate; anything else is refused when the job is submitted. */
export const SUPPORTED_LAYERS = [
  'InputLayer',
  'Dense',
  'Conv2D',
  'Conv2DTranspose',
  'DepthwiseConv2D',
  'SeparableConv2D',
  'Conv1D',
  'MaxPooling2D',
  'AveragePooling2D',
  'GlobalAveragePooling2D',
  'GlobalMaxPooling2D',
  'MaxPooling1D',
  'AveragePooling1D',
  'GlobalAveragePooling1D',
  'GlobalMaxPooling1D',
  'Flatten',
  'Reshape',
  'Permute',
  'ZeroPadding2D',
  'Cropping2D',
  'UpSampling2D',
  'Activation',
  'ReLU',
  'LeakyReLU',
  'ELU',
  'Softmax',
  'Dropout',
  'BatchNormalization',
  'LayerNormalization',
  'Add',
  'Multiply',
  'Average',
  'Maximum',
  'Minimum',
  'Concatenate',
  'Rescaling',
  'RepeatVector',
  'Embedding',
  'SimpleRNN',
  'LSTM',
  'GRU',
] as const;

/** A model of the zoo (libs/models/src/zoo, one file each). Options default to the data set's shape and number of classes. */
export const zooModelSchema = z
  .strictObject({
    zoo: z.enum(['logistic', 'mlp', 'lenet5', 'mnist-cnn']).describe('Name of a model in the zoo'),
    hiddenUnits: z
      .array(z.int().positive().max(65_536))
      .max(32)
      .optional()
      .describe('mlp only: units of each hidden layer. Default [256]'),
    activation: z
      .enum(['relu', 'tanh', 'sigmoid', 'elu'])
      .optional()
      .describe('mlp only: activation of hidden layers. Default relu'),
    dropout: z
      .number()
      .min(0)
      .lt(1)
      .optional()
      .describe('mlp and mnist-cnn: share of activations dropped before the last layer. Default 0'),
  })
  .meta({ id: 'ZooModel' });

/** Keras topology JSON, as Keras 2 (`model.to_json()`), Keras 3 or tfjs (`model.toJSON()`) write it. Sequential or Functional. */
export const topologyModelSchema = z
  .strictObject({
    topology: z
      .record(z.string(), z.unknown())
      .describe('Keras topology JSON (Keras 2 or 3, Sequential or Functional)'),
  })
  .meta({ id: 'TopologyModel' });

export const modelSpecSchema = z.union([zooModelSchema, topologyModelSchema]).meta({ id: 'ModelSpec' });
export type ZooModel = z.infer<typeof zooModelSchema>;
export type ModelSpec = z.infer<typeof modelSpecSchema>;
