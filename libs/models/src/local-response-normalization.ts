import tf from '@tensorflow/tfjs';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs';
import { LOCAL_RESPONSE_NORMALIZATION } from './topology/local-response-normalization.ts';

interface Settings {
  name?: string;
  depthRadius?: number;
  bias?: number;
  alpha?: number;
  beta?: number;
}

/**
 * Each value divided by (bias + alpha * sum of the squares of the 2 * depthRadius + 1 channels around it) ^ beta: TensorFlow's `tf.nn.local_response_normalization`,
 * of which Krizhevsky et al. 2012, section 3.3, write alpha / n as alpha. Images [n, height, width, channels]. Neither Keras nor tfjs has such a layer:
 * docs/models.md says how to load a model with it.
 */
export class LocalResponseNormalization extends tf.layers.Layer {
  static className = LOCAL_RESPONSE_NORMALIZATION;
  readonly depthRadius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;

  /** Defaults are TensorFlow's. */
  constructor({ depthRadius = 5, bias = 1, alpha = 1, beta = 0.5, ...layer }: Settings) {
    super({ ...layer });
    this.depthRadius = depthRadius;
    this.bias = bias;
    this.alpha = alpha;
    this.beta = beta;
    this.inputSpec = [{ ndim: 4 }];
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    const input = (Array.isArray(inputs) ? inputs[0]! : inputs) as Tensor4D;
    return tf.localResponseNormalization(input, this.depthRadius, this.bias, this.alpha, this.beta);
  }

  override computeOutputShape(shape: (number | null)[]): (number | null)[] {
    return shape;
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { depthRadius, bias, alpha, beta } = this;
    return { ...super.getConfig(), depthRadius, bias, alpha, beta };
  }
}
tf.serialization.registerClass(LocalResponseNormalization);
