/*
 * A rule is written once, for a vector of four float32, and run for whole vectors and then for what is left at the end of a run of values:
 * `lanes` is 4 or 1, known when compiled, so neither costs a branch. Loads may lie at any byte.
 */

// @ts-ignore: decorator
@inline
export function get(at: usize, lanes: i32): v128 {
  return lanes == 4 ? v128.load(at) : v128.load32_zero(at);
}

// @ts-ignore: decorator
@inline
export function put(at: usize, values: v128, lanes: i32): void {
  if (lanes == 4) v128.store(at, values);
  else v128.store32_lane(at, values, 0);
}
