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
  'LocalResponseNormalization',
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
    zoo: z
      .enum(['logistic', 'mlp', 'lenet5', 'mnist-cnn', 'googlenet', 'googlenet-small'])
      .describe('Name of a model in the zoo'),
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
      .describe(
        'mlp, mnist-cnn and both of googlenet: share of activations dropped before the last layer. Default 0, googlenet 0.4',
      ),
    auxiliaryWeight: z
      .number()
      .min(0)
      .max(1000)
      .optional()
      .describe(
        'googlenet only: weight of the loss of each auxiliary classifier, in training alone. 0 leaves them out. Default 0.3',
      ),
  })
  .meta({ id: 'ZooModel' });

/** Keras topology JSON, as Keras 2 (`model.to_json()`), Keras 3 or tfjs (`model.toJSON()`) write it. Sequential or Functional. */
export const topologyModelSchema = z
  .strictObject({
    topology: z
      .record(z.string(), z.unknown())
      .describe(
        'Keras topology JSON (Keras 2 or 3, Sequential or Functional). One input. Of several outputs the first is the main one: evaluations, predictions and the exported model ' +
          'are of it alone; the others are auxiliary and help in training. All of them learn the same labels',
      ),
    lossWeights: z
      .union([z.array(z.number().min(0).max(1e6)).min(1).max(1000), z.record(z.string(), z.number().min(0).max(1e6))])
      .optional()
      .describe(
        "For a model with several outputs: the loss that is trained is the sum of each output's times its weight. A list in the outputs' order, or by the names of their " +
          'layers. Default: 1 each',
      ),
  })
  .meta({ id: 'TopologyModel' });

export const modelSpecSchema = z.union([zooModelSchema, topologyModelSchema]).meta({ id: 'ModelSpec' });
export type ZooModel = z.infer<typeof zooModelSchema>;
export type ModelSpec = z.infer<typeof modelSpecSchema>;
