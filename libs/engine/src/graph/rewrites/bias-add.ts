import { attribute, type Rewrite } from './rewrite.ts';

/**
 * A convolution plus a vector for its channels, which tfjs writes as any other Add, is TensorFlow's BiasAdd: that is fused into the convolution, with a relu that
 * reads it, and the convolution's output is written once instead of three times. The gradient's sum stays a Sum: as BiasAddGrad it is fused into Conv2DBackpropFilter, which
 * takes longer then than both did.
 */
export const biasAdd: Rewrite = (op, view) => {
  if (op.name !== 'Add') return null;
  const [x, bias] = op.inputs;
  const convolution = view.opOf(x);
  if (convolution?.name !== 'Conv2D' || attribute(convolution, 'data_format') !== 'NHWC') return null;
  const channels = op.results[0]!.shape.at(-1);
  if (view.tensorOf(bias!).shape.join() !== String(channels)) return null;
  return {
    ...op,
    name: 'BiasAdd',
    attributes: [...op.attributes, { name: 'data_format', type: view.binding.TF_ATTR_STRING, value: 'NHWC' }],
  };
};
