import { gunzipSync, gzipSync } from 'node:zlib';

/** Topologies and layouts shrink to a tenth; small records stay readable with `nats kv get`. */
const COMPRESS_FROM_BYTES = 16 * 1024;
/** A record is one message, so no honest one inflates to more. */
const MAX_RECORD_BYTES = 256 * 2 ** 20;

/** JSON, gzipped when it is long. */
export const encodeRecord = (value: unknown): Uint8Array => {
  const json = Buffer.from(JSON.stringify(value));
  return json.byteLength < COMPRESS_FROM_BYTES ? json : gzipSync(json, { level: 1 });
};

/** @throws SyntaxError for anything else */
export const decodeRecord = (bytes: Uint8Array): unknown => {
  const gzipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const json = gzipped ? inflate(bytes) : bytes;
  return JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8'));
};

const inflate = (bytes: Uint8Array): Uint8Array => {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_RECORD_BYTES });
  } catch (cause) {
    throw new SyntaxError('A record begins as if compressed and cannot be inflated', { cause });
  }
};
