import type { JobSpecInput } from '@downpour/contracts';

const LAYERS = 8;
const CHANNELS = 16;

/** Convolutions of single pixels, 2,106 parameters: little to compute, and 50 kB for each example wherever it is cut. In one part, or evenly in 2 or 4. */
export function wideConvolutions(partitions: number, microBatches: number): Pick<JobSpecInput, 'model' | 'partitions'> {
  const names = Array.from({ length: LAYERS }, (_, i) => `conv_${i + 1}`);
  const convolutions = names.map((name, i) => ({
    class_name: 'Conv2D',
    config: {
      name,
      filters: CHANNELS,
      kernel_size: [1, 1],
      activation: 'relu',
      ...(i === 0 && { batch_input_shape: [null, 28, 28, 1] }),
    },
  }));
  const layers = [
    ...convolutions,
    { class_name: 'GlobalAveragePooling2D', config: { name: 'average_pool' } },
    { class_name: 'Dense', config: { name: 'probabilities', units: 10, activation: 'softmax' } },
  ];
  const model = { topology: { class_name: 'Sequential', config: { name: 'wide', layers } } };
  if (partitions === 1) return { model };
  const devices = Object.fromEntries(names.map((name, i) => [name, Math.floor((i * partitions) / LAYERS)]));
  return { model, partitions: { count: partitions, microBatches, devices: { ...devices, '*': partitions - 1 } } };
}
