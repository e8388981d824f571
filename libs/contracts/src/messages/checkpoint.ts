import { z } from 'zod';
import { checkpointReasonSchema } from '../checkpoint.ts';
import { checkpointManifestSchema, checkpointShardSchema } from '../checkpoint-manifest.ts';

/** Write a checkpoint of a job that has a plan: any parameter-shard process does it, from what the owners hold. Subject `subjects.composeCheckpoint`. */
export const composeCheckpointRequestSchema = z.strictObject({
  type: z.literal('composeCheckpoint'),
  v: z.literal(1),
  jobId: z.string(),
  checkpoint: z.int().min(1),
  why: checkpointReasonSchema,
});
export type ComposeCheckpointRequest = z.infer<typeof composeCheckpointRequestSchema>;
export const composeCheckpointReplySchema = z.strictObject({
  type: z.literal('checkpointComposed'),
  v: z.literal(1),
  manifest: checkpointManifestSchema,
});
export type ComposeCheckpointReply = z.infer<typeof composeCheckpointReplySchema>;

/**
 * Copy a shard as it is now and keep the copy until it is released, or nobody has read of it for a while. Subject
 * `subjects.captureShard(instance)`. A new capture of a shard replaces the one before.
 */
export const captureShardRequestSchema = z.strictObject({
  type: z.literal('captureShard'),
  v: z.literal(1),
  jobId: z.string(),
  shard: z.int().min(0),
  ownership: z.int().min(0),
  capture: z.string().describe('Name of the copy, chosen by whoever asks'),
});
export type CaptureShardRequest = z.infer<typeof captureShardRequestSchema>;
export const captureShardReplySchema = z.strictObject({
  type: z.literal('shardCaptured'),
  v: z.literal(1),
  slots: z.array(z.string()),
  shard: checkpointShardSchema,
});
export type CaptureShardReply = z.infer<typeof captureShardReplySchema>;

/** A run of a captured vector: values [begin, end) of the shard's own vector, tensor `values`. Subject `subjects.readCapture(instance)`. */
export const readCaptureRequestSchema = z.strictObject({
  type: z.literal('readCapture'),
  v: z.literal(1),
  capture: z.string(),
  vector: z.int().min(0).describe('0: the parameters; n: the n-th slot of the update rule'),
  begin: z.int().min(0),
  end: z.int().min(0),
  release: z.boolean().describe('Nothing more will be read of it'),
});
export type ReadCaptureRequest = z.infer<typeof readCaptureRequestSchema>;
export const readCaptureReplySchema = z.strictObject({ type: z.literal('captureRead'), v: z.literal(1) });
export type ReadCaptureReply = z.infer<typeof readCaptureReplySchema>;
