import type { JobSpecInput } from '@downpour/contracts';

const HIDDEN = 16;
/**
 * First hidden layer of each partition. The first one's 784 inputs cost about what five of the others do, so that the parts are about equal. Not cut automatically: that weighs what
 * layers cost without padding against what tensors cost to cross.
 */
const FIRST: Record<number, readonly number[]> = { 2: [1, 7], 4: [1, 2, 7, 12] };

/** 784-128 x 16-10: 349,450 parameters in a line of layers, in one part or in 2 or 4. */
export function deepMlp(partitions: number, microBatches: number): Pick<JobSpecInput, 'model' | 'partitions'> {
  const model = { zoo: 'mlp', hiddenUnits: new Array<number>(HIDDEN).fill(128) } as const;
  if (partitions === 1) return { model };
  const devices: Record<string, number> = { probabilities: partitions - 1 };
  for (let layer = 1; layer <= HIDDEN; layer++)
    devices[`hidden_${layer}`] = FIRST[partitions]!.filter((first) => first <= layer).length - 1;
  return { model, partitions: { count: partitions, microBatches, devices: { ...devices, '*': 0 } } };
}
