import { envBytes, envInteger, envText, serviceConfigSchema } from '@downpour/platform';
import type { z } from 'zod';

const TEBIBYTE = 2 ** 40;

export const sharderConfigSchema = serviceConfigSchema('data-sharder').extend({
  DATA_DIR: envText('a folder')
    .optional()
    .describe(
      'Folder with mnist/ and fashion-mnist/ (the four IDX files each), looked at before the places of packages',
    ),
  MAX_DATASET_BYTES: envBytes(1024, TEBIBYTE)
    .default(2 * 2 ** 30)
    .describe('Most bytes of one data set: of its files uncompressed, and of its examples in memory'),
  MAX_ZIP_ENTRIES: envInteger(1, 100_000_000).default(2_000_000).describe('Most files in one zip of a data set'),
  DATASET_CACHE_BYTES: envBytes(0, TEBIBYTE)
    .default(2 * 2 ** 30)
    .describe('Memory for data sets that are kept loaded; the one used longest ago goes first'),
});
export type SharderConfig = z.infer<typeof sharderConfigSchema>;
