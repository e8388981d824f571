import type { ParameterLayout } from '@downpour/contracts';
import { encodeSafetensorsHeader } from '@downpour/tensor';
import { describe, expect, it } from 'vitest';
import { vectorOfWeights } from './initial-weights.ts';

const layout: ParameterLayout = {
  length: 8,
  trainableLength: 6,
  variables: [
    { name: 'a/kernel', shape: [2, 2], offset: 0, length: 4, trainable: true },
    { name: 'a/bias', shape: [2], offset: 4, length: 2, trainable: true },
    { name: 'b/mean', shape: [2], offset: 6, length: 2, trainable: false },
  ],
};
const fileOf = (tensors: [name: string, shape: number[], values: number[]][]): Uint8Array => {
  const { bytes } = encodeSafetensorsHeader(tensors.map(([name, shape]) => ({ name, shape, dtype: 'float32' })));
  return Buffer.concat([bytes, ...tensors.map(([, , values]) => Buffer.from(Float32Array.from(values).buffer))]);
};

describe('weights that a job begins with', () => {
  it('go where the layout has them, whatever their order in the file', () => {
    const file = fileOf([
      ['b/mean', [2], [7, 8]],
      ['a/kernel', [2, 2], [1, 2, 3, 4]],
      ['a/bias', [2], [5, 6]],
    ]);
    expect([...vectorOfWeights(file, layout)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it.each([
    ['lack a variable', [['a/kernel', [2, 2], [1, 2, 3, 4]]], /has variable a\/bias \[2\], .*only/],
    [
      'have another shape',
      [
        ['a/kernel', [4], [1, 2, 3, 4]],
        ['a/bias', [2], [5, 6]],
        ['b/mean', [2], [7, 8]],
      ],
      /a\/kernel \[2, 2\], in the weights it has shape \[4\]/,
    ],
    [
      'have one too many',
      [
        ['a/kernel', [2, 2], [1, 2, 3, 4]],
        ['a/bias', [2], [5, 6]],
        ['b/mean', [2], [7, 8]],
        ['c', [1], [1]],
      ],
      /weights have c, the model has not/,
    ],
    [
      'are not finite',
      [
        ['a/kernel', [2, 2], [1, 2, 3, 4]],
        ['a/bias', [2], [5, Number.NaN]],
        ['b/mean', [2], [7, 8]],
      ],
      /a\/bias has the value NaN/,
    ],
  ] as [string, [string, number[], number[]][], RegExp][])('are refused when they %s', (_why, tensors, message) => {
    expect(() => vectorOfWeights(fileOf(tensors), layout)).toThrow(message);
  });
});
