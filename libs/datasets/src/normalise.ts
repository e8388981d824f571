export type Normalisation = 'none' | 'standard' | 'minMax';

/** value -> (value - shift) * scale, by column. */
export interface ColumnScaling {
  shift: Float64Array;
  scale: Float64Array;
}

/**
 * Scaling learnt from the rows of the training split alone, in double precision: `standard` gives mean 0 and variance 1, `minMax` the
 * range 0 to 1. A column with a single value becomes 0: dividing by its spread would give NaN.
 */
export const fitScaling = (
  values: Float64Array,
  width: number,
  rows: Uint32Array,
  kind: Normalisation,
): ColumnScaling => {
  const shift = new Float64Array(width);
  const scale = new Float64Array(width).fill(1);
  if (kind === 'none') return { shift, scale };
  const spread = kind === 'standard' ? standardDeviation : range;
  for (let column = 0; column < width; column++) {
    const [origin, size] = spread(values, width, rows, column);
    shift[column] = origin;
    scale[column] = size > 0 ? 1 / size : 0;
  }
  return { shift, scale };
};

/** Rows of a table as float32, scaled. */
export const scaleRows = (
  values: Float64Array,
  width: number,
  rows: Uint32Array,
  { shift, scale }: ColumnScaling,
): Float32Array<ArrayBuffer> => {
  const out = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    const start = rows[i]! * width;
    for (let column = 0; column < width; column++) {
      out[i * width + column] = (values[start + column]! - shift[column]!) * scale[column]!;
    }
  }
  return out;
};

/** Two passes: the sum of squares alone would cancel for columns such as years. */
const standardDeviation = (
  values: Float64Array,
  width: number,
  rows: Uint32Array,
  column: number,
): [number, number] => {
  let sum = 0;
  for (const row of rows) sum += values[row * width + column]!;
  const mean = sum / rows.length;
  let squares = 0;
  for (const row of rows) squares += (values[row * width + column]! - mean) ** 2;
  const deviation = Math.sqrt(squares / rows.length);
  // What rounding leaves of a constant column is not spread.
  return [mean, deviation <= Math.abs(mean) * 1e-14 ? 0 : deviation];
};

const range = (values: Float64Array, width: number, rows: Uint32Array, column: number): [number, number] => {
  let [min, max] = [Infinity, -Infinity];
  for (const row of rows) {
    const value = values[row * width + column]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return [min, max - min];
};
