import { invalidDataset } from './invalid-dataset.ts';

/** @throws DownpourError invalid-dataset naming the first row (counted from 0) with NaN or an infinity. */
export const checkFinite = (values: ArrayLike<number>, width: number, file: string, what: string): void => {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      const place = width > 1 ? ` at position ${i % width}` : '';
      throw invalidDataset(
        file,
        `${what} of row ${Math.floor(i / width)} has ${values[i]}${place}: every value must be finite in float32`,
      );
    }
  }
};
