import { permutation } from './permutation.ts';

/** Fixed, so that the same upload always holds out the same rows. */
const HOLD_OUT_SEED = 0;

/**
 * Which rows stay in training and which are held out for testing, where a data set brings no test file: a share of the rows
 * (rounded down), drawn at random but always the same; both in file order.
 */
export const holdOut = (rows: number, testShare: number): { train: Uint32Array; test: Uint32Array } => {
  const testRows = Math.floor(rows * testShare);
  const order = permutation(HOLD_OUT_SEED, 0, rows);
  return { train: order.slice(testRows).sort(), test: order.slice(0, testRows).sort() };
};
