import { errorReplySchema, DownpourError } from '@downpour/contracts';
import { describeIssues } from '@downpour/contracts';
import { encodeFrame, formatSliceHead, sliceFrame } from '@downpour/tensor';
import type { OutgoingTensor } from '@downpour/tensor';
import { headers } from '@nats-io/nats-core';
import type { MsgHdrs } from '@nats-io/nats-core';
import { randomBytes } from 'node:crypto';
import type { NatsLink } from '../link/nats-link.ts';
import { isZodError } from '../refusals/refusals.ts';

/** On each slice of a message that did not fit into one; see formatSliceHead. */
export const SLICE_HEADER = 'Dp-Slice';
/** On an empty reply that says: still at it, the answer will come. */
export const WORKING_HEADER = 'Dp-Working';

/** Unique in the cluster: slices of one message find each other by it. */
const processId = randomBytes(6).toString('hex');
let serial = 0;
export const newMessageId = (): string => `${processId}.${(serial++).toString(36)}`;

/**
 * Encodes a frame and sends it as one message, or as slices below the server's max_payload, from memory that the link uses again: the
 * tensors are copied once, into the frame.
 */
export const publishFrame = (
  link: NatsLink,
  subject: string,
  header: unknown,
  tensors?: Record<string, OutgoingTensor>,
): void => {
  const frame = encodeFrame(header, tensors, link.frames.take);
  const slices = sliceFrame(frame, link.maxSliceBytes);
  let unsent = slices.length;
  const onSent = (): void => {
    unsent -= 1;
    if (unsent === 0) link.frames.giveBack(frame);
  };
  if (slices.length === 1) {
    link.publish(subject, frame, { onSent });
    return;
  }
  const id = newMessageId();
  slices.forEach((slice, index) =>
    link.publish(subject, slice, { headers: sliceHeaders(id, index, slices.length, frame.byteLength), onSent }),
  );
};

export const sliceHeaders = (id: string, index: number, count: number, totalBytes: number): MsgHdrs => {
  const head = headers();
  head.set(SLICE_HEADER, formatSliceHead({ id, index, count, totalBytes }));
  return head;
};

/** The error that a reply carries, if it carries one. */
export const errorOfReply = (header: unknown): DownpourError | null => {
  if (typeof header !== 'object' || header === null || !('error' in header)) return null;
  const parsed = errorReplySchema.safeParse(header);
  return parsed.success ? DownpourError.fromReply(parsed.data) : null;
};

/** What of an error may cross the wire; null when it is nobody's fault but ours. */
export const asRefusal = (error: unknown): DownpourError | null => {
  if (error instanceof DownpourError) return error;
  if (isZodError(error)) {
    const issues = describeIssues(error as unknown as Parameters<typeof describeIssues>[0]);
    const [first] = issues;
    const message = issues.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).join('; ');
    return new DownpourError('invalid-request', `The request is malformed: ${message}`, {
      ...(first === undefined || first.field === '' ? {} : { field: first.field }),
      cause: error,
    });
  }
  return null;
};
