import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs';
import type { LossKind } from './loss-kind.ts';
import { meanSquaredError } from './mean-squared-error.ts';
import type { OutputForm } from './output-form.ts';
import { sigmoidCrossEntropy } from './sigmoid-cross-entropy.ts';
import { softmaxCrossEntropy } from './softmax-cross-entropy.ts';

/** The loss of each example, [n]: a batch's loss is their mean. */
export type Loss = (output: Tensor2D, targets: Tensor2D, form: OutputForm) => Tensor1D;

export const LOSSES: Record<LossKind, Loss> = { softmaxCrossEntropy, sigmoidCrossEntropy, meanSquaredError };
