/** Whether no value is NaN or infinite: only of those is the difference from itself not zero. */
export const allFinite = (values: Float32Array): boolean => {
  for (let i = 0; i < values.length; i++) if (values[i]! - values[i]! !== 0) return false;
  return true;
};
