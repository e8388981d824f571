import { gunzipSync, inflateRawSync } from 'node:zlib';
import { invalidDataset } from './invalid-dataset.ts';
import type { ByteBudget } from './limits.ts';

/** zlib refuses an output limit above what one buffer can hold. */
const MAX_BUFFER_BYTES = 2 ** 32;

/** The bytes themselves, or what they inflate to when they are gzip. */
export const gunzipIfNeeded = (bytes: Uint8Array, file: string, budget: ByteBudget): Uint8Array => {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) {
    budget.spend(bytes.byteLength, file);
    return bytes;
  }
  return bounded(() => gunzipSync(bytes, options(budget)), 'gzip', file, budget);
};

/** Raw deflate, as a zip entry has it. */
export const inflateRaw = (bytes: Uint8Array, file: string, budget: ByteBudget): Uint8Array =>
  bounded(() => inflateRawSync(bytes, options(budget)), 'deflate', file, budget);

const options = (budget: ByteBudget) => ({ maxOutputLength: Math.max(1, Math.min(budget.left, MAX_BUFFER_BYTES)) });

/** zlib stops as soon as the output passes the limit, so a bomb costs no more than the budget. */
const bounded = (inflate: () => Uint8Array, kind: string, file: string, budget: ByteBudget): Uint8Array => {
  let out: Uint8Array;
  try {
    out = inflate();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw budget.exceeded(file);
    throw invalidDataset(file, `its ${kind} data are damaged or cut off (${(error as Error).message})`, error);
  }
  budget.spend(out.byteLength, file);
  return out;
};
