import type { UpdateRuleSpec } from '@downpour/contracts';

/** The update rules as one would write them first: a loop over typed arrays. What the kernels are compared with. */
export function plainRules(length: number): Record<UpdateRuleSpec['kind'], () => void> {
  const w = new Float32Array(length).fill(0.1);
  const g = new Float32Array(length).fill(0.01);
  const a = new Float32Array(length).fill(0.1);
  const b = new Float32Array(length).fill(0.1);
  const lr = 0.01;
  return {
    sgd: () => {
      for (let i = 0; i < length; i++) w[i] = w[i]! - lr * g[i]!;
    },
    momentum: () => {
      for (let i = 0; i < length; i++) {
        a[i] = 0.9 * a[i]! + g[i]!;
        w[i] = w[i]! - lr * a[i]!;
      }
    },
    adagrad: () => {
      for (let i = 0; i < length; i++) {
        a[i] = a[i]! + g[i]! * g[i]!;
        w[i] = w[i]! - (lr * g[i]!) / Math.sqrt(a[i]! + 1e-7);
      }
    },
    rmsprop: () => {
      for (let i = 0; i < length; i++) {
        a[i] = 0.9 * a[i]! + 0.1 * g[i]! * g[i]!;
        w[i] = w[i]! - (lr * g[i]!) / Math.sqrt(a[i]! + 1e-7);
      }
    },
    adam: () => {
      for (let i = 0; i < length; i++) {
        a[i] = 0.9 * a[i]! + 0.1 * g[i]!;
        b[i] = 0.999 * b[i]! + 0.001 * g[i]! * g[i]!;
        w[i] = w[i]! - (lr * (a[i]! / 0.19)) / (Math.sqrt(b[i]! / 0.002) + 1e-7);
      }
    },
  };
}
