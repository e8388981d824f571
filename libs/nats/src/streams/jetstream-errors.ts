import { JetStreamApiError } from '@nats-io/jetstream';

/*
 * Error codes of the JetStream API that we act upon (nats-server, server/errors.json). Those that the client library
 * does not list are written out here.
 */
const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;
const WRONG_LAST_SEQUENCE = 10071;
const WRONG_LAST_SEQUENCE_UNKNOWN = 10164;
const STREAM_STORE_FAILED = 10077;
const STORAGE_RESOURCES_EXCEEDED = 10047;
const MEMORY_RESOURCES_EXCEEDED = 10028;
const INSUFFICIENT_RESOURCES = 10023;
const REPLICAS_NOT_SUPPORTED = 10074;
const NO_SUITABLE_PEERS = 10005;
const MESSAGE_NOT_FOUND = 10037;

const codeOf = (error: unknown): number => (error instanceof JetStreamApiError ? error.code : 0);

export const isStreamNotFound = (error: unknown): boolean => codeOf(error) === STREAM_NOT_FOUND;
export const isStreamExists = (error: unknown): boolean => codeOf(error) === STREAM_NAME_IN_USE;
export const isMessageNotFound = (error: unknown): boolean => codeOf(error) === MESSAGE_NOT_FOUND;
/** Somebody else wrote first. */
export const isWrongRevision = (error: unknown): boolean =>
  codeOf(error) === WRONG_LAST_SEQUENCE || codeOf(error) === WRONG_LAST_SEQUENCE_UNKNOWN;
/** The stream is at its limit (10077, with the limit in the message), or the server at its own. */
export const isFull = (error: unknown): boolean =>
  [STREAM_STORE_FAILED, STORAGE_RESOURCES_EXCEEDED, MEMORY_RESOURCES_EXCEEDED, INSUFFICIENT_RESOURCES].includes(
    codeOf(error),
  );
/** The server has less room than the stream asks to reserve. */
export const isNoRoom = (error: unknown): boolean =>
  codeOf(error) === STORAGE_RESOURCES_EXCEEDED || codeOf(error) === MEMORY_RESOURCES_EXCEEDED;

/** A lone server keeps one copy of anything. */
export const isReplicasUnsupported = (error: unknown): boolean => codeOf(error) === REPLICAS_NOT_SUPPORTED;
/** Fewer servers of the cluster are there than copies are asked for, or they have less room. */
export const isWithoutPeers = (error: unknown): boolean => codeOf(error) === NO_SUITABLE_PEERS;

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
