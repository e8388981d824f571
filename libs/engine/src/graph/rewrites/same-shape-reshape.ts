import type { Rewrite } from './rewrite.ts';

/** Reshapes that change nothing: tfjs makes one where a gradient might have been broadcast. They stand between ops that could be fused. */
export const sameShapeReshape: Rewrite = (op, view) => {
  if (op.name !== 'Reshape') return null;
  const [input] = op.inputs;
  const before = view.tensorOf(input!).shape;
  const after = op.results[0]!.shape;
  return before.length === after.length && before.every((size, i) => size === after[i]) ? input! : null;
};
