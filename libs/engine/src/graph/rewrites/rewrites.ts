import { biasAdd } from './bias-add.ts';
import { reluGradient } from './relu-gradient.ts';
import type { Rewrite } from './rewrite.ts';
import { sameShapeReshape } from './same-shape-reshape.ts';
import { sameTypeCast } from './same-type-cast.ts';

/**
 * What tfjs writes in a roundabout way and TensorFlow's optimizer does not see through, in this order: later rules see what earlier
 * ones left. BatchMatMul to MatMul was tried as well: TensorFlow fuses a bias and a relu into it then, and a step takes as long as before.
 */
export const REWRITES: readonly Rewrite[] = [sameTypeCast, sameShapeReshape, biasAdd, reluGradient];
