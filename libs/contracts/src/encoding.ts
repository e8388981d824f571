import { z } from 'zod';

export const valueEncodingSchema = z.enum(['float32', 'bfloat16', 'float16', 'int8']);
export type ValueEncoding = z.infer<typeof valueEncodingSchema>;

/** How values cross the network. The shard's own copy is float32, whatever is chosen here. int8: blocks of 256 values with a scale each. */
export const encodingSchema = z
  .strictObject({
    gradients: valueEncodingSchema
      .default('float32')
      .describe('Gradients that workers push. What rounding takes away is added to the next gradient (error feedback)'),
    parameters: valueEncodingSchema
      .default('float32')
      .describe(
        "Parameters that workers pull. The shard's own copy stays float32; evaluation and the final model are of that",
      ),
  })
  .meta({ id: 'Encoding' });
export type EncodingSpec = z.infer<typeof encodingSchema>;

/** Values of one block of int8: each block has a float32 scale, `value = scale * int8` (tensor `scales`, [ceil(n / 256)]). */
export const INT8_BLOCK = 256;
