import { z } from 'zod';

/** What an upload says of itself: the `spec` field of the multipart form, before its files. */
export const datasetSpecSchema = z
  .discriminatedUnion('format', [
    z.strictObject({
      name: z.string().min(1).max(120),
      format: z
        .literal('idx')
        .describe(
          'Files train-images, train-labels and, if there is a test split, test-images, test-labels; gzip allowed',
        ),
    }),
    z.strictObject({
      name: z.string().min(1).max(120),
      format: z.literal('csv').describe('Files train and, if there is one, test'),
      header: z.boolean().default(true),
      labelColumn: z
        .union([z.string(), z.int().min(0)])
        .describe("Name (with a header) or index of the label's column"),
      labelKind: z
        .enum(['class', 'number'])
        .default('class')
        .describe('class: any text, numbered in order of name; number: regression'),
      normalisation: z
        .enum(['none', 'standard', 'minMax'])
        .default('standard')
        .describe("Of the features, from the training split's statistics"),
      testShare: z.number().min(0).lt(1).default(0.1).describe('Share of rows held out when there is no test file'),
    }),
    z.strictObject({
      name: z.string().min(1).max(120),
      format: z
        .literal('numpy')
        .describe('Files train and test: .npz with arrays x and y; or train-x, train-y, test-x, test-y: .npy'),
      labelKind: z.enum(['class', 'number']).default('class'),
      classes: z
        .int()
        .min(2)
        .max(65_536)
        .optional()
        .describe('Number of classes, where the labels may not have them all. Default: the highest training label + 1'),
    }),
    z.strictObject({
      name: z.string().min(1).max(120),
      format: z
        .literal('images')
        .describe('File train (and test): a zip with a folder for each class of PNG or JPEG images'),
      width: z.int().min(1).max(1024),
      height: z.int().min(1).max(1024),
      channels: z.union([z.literal(1), z.literal(3)]).default(3),
      testShare: z.number().min(0).lt(1).default(0.1),
    }),
  ])
  .meta({ id: 'DatasetSpec' });
export type DatasetSpec = z.infer<typeof datasetSpecSchema>;

/** Names of the files of a data set, as form fields. */
export const datasetFileSchema = z.strictObject({
  field: z.string(),
  digest: z.string().describe('SHA-256, hex'),
  bytes: z.int().min(0),
});

/** What a reader found in a data set. */
export const datasetSummarySchema = z
  .strictObject({
    trainExamples: z.int().min(1),
    testExamples: z.int().min(0),
    featureShape: z.array(z.int().min(1)).describe('Shape of one example, without the batch: [28, 28, 1]'),
    featureType: z.enum(['uint8', 'float32']).describe('Type on the wire; uint8 is divided by 255 in the step'),
    labelKind: z.enum(['class', 'number']),
    classes: z.int().min(0).describe('Number of classes; 0 for numbers'),
    classNames: z.array(z.string()).optional(),
    labelWidth: z.int().min(1).describe('Numbers per label; 1 for classes'),
  })
  .meta({ id: 'DatasetSummary' });
export type DatasetSummary = z.infer<typeof datasetSummarySchema>;

export const datasetRecordSchema = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    builtIn: z.boolean(),
    spec: datasetSpecSchema.optional().describe('Absent for built-in data sets'),
    files: z.array(datasetFileSchema),
    bytes: z.int().min(0),
    summary: datasetSummarySchema,
    createdAt: z.string(),
  })
  .meta({ id: 'Dataset' });
export type DatasetFile = z.infer<typeof datasetFileSchema>;
export type DatasetRecord = z.infer<typeof datasetRecordSchema>;

/** Data sets every cluster has. */
export const BUILT_IN_DATASETS = ['mnist', 'fashion-mnist'] as const;
