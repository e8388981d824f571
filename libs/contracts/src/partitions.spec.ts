import { describe, expect, it } from 'vitest';
import { partitionOfDevice, partitionsSpecSchema } from './partitions.ts';

describe('the device of a layer', () => {
  it.each([
    ['partition:1', 1],
    ['/task:2', 2],
    ['/job:worker/task:3', 3],
    ['/job:worker/replica:0/task:3/device:CPU:0', 3],
  ])('%s is a partition', (text, partition) => {
    expect(partitionOfDevice(text)).toBe(partition);
    expect(partitionsSpecSchema.safeParse({ count: 4, devices: { '*': text } }).success).toBe(true);
  });

  it.each([
    ['/job:ps/task:1', /no partition: write 1, partition:1 or/],
    ['/job:worker', /no partition/],
    ['partition:x', /whole number from 0, not "x"/],
    ['/task:1/device:GPU:0', /CPUs only/],
    ['first', /begin with a slash/],
  ])('%s is refused, and it is said why', (text, why) => {
    expect(() => partitionOfDevice(text)).toThrow(why);
    const { error } = partitionsSpecSchema.safeParse({ count: 4, devices: { '*': text } });
    expect(error?.issues.map(({ message }) => message).join()).toMatch(why);
  });
});
