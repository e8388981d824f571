import { attribute, type Rewrite } from './rewrite.ts';

/** tfjs casts float32 to float32: nothing. */
export const sameTypeCast: Rewrite = (op) =>
  op.name === 'Cast' && attribute(op, 'SrcT') === attribute(op, 'DstT') ? op.inputs[0]! : null;
