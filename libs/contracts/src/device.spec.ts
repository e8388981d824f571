import { describe, expect, it } from 'vitest';
import { formatDevice, parseDevice, taskOf } from './device.ts';

describe('a device string', () => {
  it.each([
    ['/job:ps/task:1', { job: 'ps', task: 1 }, '/job:ps/task:1'],
    ['/task:0/job:worker', { job: 'worker', task: 0 }, '/job:worker/task:0'],
    [
      '/job:worker/replica:0/task:12/device:CPU:0',
      { job: 'worker', task: 12, device: 'CPU', index: 0 },
      '/job:worker/task:12/device:CPU:0',
    ],
    ['/job:ps/task:3/cpu:0', { job: 'ps', task: 3, device: 'CPU', index: 0 }, '/job:ps/task:3/device:CPU:0'],
    ['/job:ps', { job: 'ps' }, '/job:ps'],
  ])('%s is read, and written as TensorFlow writes it', (text, spec, written) => {
    expect(parseDevice(text)).toEqual(spec);
    expect(formatDevice(parseDevice(text))).toBe(written);
  });

  it.each([
    ['job:ps/task:1', /begin with a slash/],
    ['', /begin with a slash/],
    ['/job:master/task:0', /no job "master"; there are worker and ps \(the chief is/],
    ['/job:toString', /no job "toString"/],
    ['/job:ps/task:x', /task should be a whole number from 0, not "x"/],
    ['/job:ps/task:-1', /whole number/],
    ['/job:ps/job:ps', /says job twice/],
    ['/job:ps/task:0/gpu:0', /CPUs only, there is no gpu/],
    ['/job:ps/task:0/device:TPU:1', /there is no TPU/],
    ['/job:ps/shelf:2', /"shelf:2" is no part of one; write it like/],
    ['/replica:1', /leave \/replica out/],
  ])('%s is refused, and it is said why', (text, why) => {
    expect(() => parseDevice(text)).toThrow(why);
  });

  it('is a process of a cluster, if the cluster has it', () => {
    const cluster = { ps: ['big-1', 'big-2'] };
    expect(taskOf(cluster, '/job:ps/task:1')).toBe('big-2');
    expect(() => taskOf(cluster, '/job:ps/task:2')).toThrow(/has ps tasks 0 to 1/);
    expect(() => taskOf(cluster, '/job:worker/task:0')).toThrow(/names no worker/);
    expect(() => taskOf(cluster, '/job:ps')).toThrow(/names no process/);
  });
});
