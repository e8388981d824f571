/** Most bytes of an upload. */
export const UPLOAD_LIMIT = Symbol('UPLOAD_LIMIT');
/** Pause between two heartbeats of a stream of events, milliseconds. */
export const EVENT_HEARTBEAT = Symbol('EVENT_HEARTBEAT');
/** The OpenAPI document. */
export const OPENAPI = Symbol('OPENAPI');
