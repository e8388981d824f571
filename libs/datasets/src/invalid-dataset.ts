import { DownpourError } from '@downpour/contracts';

/**
 * The data are wrong: the message names the place and what would be right. `file` is the form field, perhaps with what is in it:
 * `train: x.npy`.
 */
export const invalidDataset = (file: string, message: string, cause?: unknown): DownpourError =>
  new DownpourError('invalid-dataset', `${file}: ${message}`, {
    field: file.split(':', 1)[0] ?? file,
    ...(cause === undefined ? {} : { cause }),
  });
