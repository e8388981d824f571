import { z } from 'zod';

export const parameterEncodingSchema = z.enum(['float32', 'bfloat16', 'float16']);

/** How values cross the network. The shard's own copy is float32, whatever is chosen here. */
export const encodingSchema = z
  .strictObject({
    gradients: z
      .enum(['float32', 'bfloat16', 'float16', 'int8'])
      .default('float32')
      .describe(
        'Gradients that workers push. What rounding takes away is added to the next gradient (error feedback). int8: blocks of 256 values with a scale each',
      ),
    parameters: parameterEncodingSchema
      .default('float32')
      .describe("Parameters that workers pull. The shard's own copy stays float32"),
  })
  .meta({ id: 'Encoding' });
export type EncodingSpec = z.infer<typeof encodingSchema>;
export type GradientEncoding = EncodingSpec['gradients'];
export type ParameterEncoding = EncodingSpec['parameters'];

/** Values of one block of an int8 gradient: each block has a float32 scale, `value = scale * int8` (tensor `scales`, [ceil(n / 256)]). */
export const INT8_BLOCK = 256;
