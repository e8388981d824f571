import { z } from 'zod';

/** Random changes of the images of each training step. */
export const augmentSchema = z
  .strictObject({
    crop: z
      .int()
      .min(1)
      .max(256)
      .optional()
      .describe('So many pixels of zeros are put around each image, and a part of its own size is taken at random'),
    flip: z.boolean().default(false).describe('Left and right are exchanged for half of the images, at random'),
  })
  .refine(({ crop, flip }) => crop !== undefined || flip, { message: 'give crop, flip, or both' })
  .meta({ id: 'Augment' });
export type AugmentSpec = z.infer<typeof augmentSchema>;
