import type { Tensor } from '@tensorflow/tfjs';
import type { Backend, Binding } from './binding.ts';
import type { TensorFlow } from './load.ts';

/**
 * GatherV2 as TensorFlow has it. tfjs-node's kernel reads every index back to the host to check it: slow, and it cannot be recorded. TensorFlow
 * checks as well, and says which index is out of range.
 */
export function registerGather(tf: TensorFlow['tf'], binding: Binding): void {
  const place = { kernelName: 'GatherV2', backendName: 'tensorflow' };
  tf.unregisterKernel(place.kernelName, place.backendName);
  tf.registerKernel({
    ...place,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { x, indices } = inputs as unknown as { x: Tensor; indices: Tensor };
      const { axis, batchDims } = attrs as unknown as { axis: number; batchDims: number };
      const node = backend as unknown as Backend;
      const at = tf.scalar(axis, 'int32');
      const attributes = [
        { name: 'batch_dims', type: binding.TF_ATTR_INT, value: batchDims },
        {
          name: 'Tparams',
          type: binding.TF_ATTR_TYPE,
          value: x.dtype === 'int32' ? binding.TF_INT32 : binding.TF_FLOAT,
        },
        { name: 'Tindices', type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 },
        { name: 'Taxis', type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 },
      ];
      const ids = node.getInputTensorIds([x, indices, at]);
      const [result] = node.binding.executeOp('GatherV2', attributes, ids, 1);
      at.dispose();
      return node.createOutputTensor(result!);
    },
  });
}
