import { DownpourError } from '@downpour/contracts';
import { Packr, Unpackr } from 'msgpackr';
import { copyBytes } from './copy-bytes.ts';
import { BYTES_PER_ELEMENT, elementCount, isDType } from './dtype.ts';
import { assertPlainMsgpack } from './plain-msgpack.ts';
import type { DType, OutgoingTensor, Tensor, TensorFrame, WrittenData } from './tensor.ts';

/*
 * A frame:
 *   0  'DPF1'
 *   4  length of the head in bytes, uint32 little-endian
 *   8  head: MessagePack [header, [[name, dtype, shape], ...]]
 *   ?  zeros up to a multiple of 8, then each tensor's bytes, each padded to a multiple of 8
 * So a tensor is aligned for every element type wherever the frame itself is aligned to 8.
 */
const MAGIC = 0x31465044;
const PREFIX_BYTES = 8;
const ALIGNMENT = 8;
/** A model of 10,000 layers has a topology of about 5 MB. */
const MAX_HEAD_BYTES = 16 * 2 ** 20;
const MAX_TENSORS = 1024;
const MAX_RANK = 16;

/** Optional fields of headers are absent, never null: zod tells the two apart. */
const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  skipValues: [undefined],
} as ConstructorParameters<typeof Packr>[0]);
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

const align = (offset: number): number => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

const malformed = (why: string): DownpourError =>
  new DownpourError('invalid-request', `This is not a frame of this system: ${why}`);

/** Memory for a frame of so many bytes, at the beginning of a buffer. */
export type AllocateFrame = (bytes: number) => Uint8Array;

// Not from Buffer's pool, so that the frame starts its own, aligned memory.
const allocateNew: AllocateFrame = (bytes) => new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);

/**
 * Writes header and tensors into one buffer. The tensors' bytes are copied once, here.
 * @param allocate where from, for those who use their buffers again @default a new one
 * @throws DownpourError invalid-request when a tensor's bytes do not fit its shape, or the header is too large.
 */
export const encodeFrame = (
  header: unknown,
  tensors: Record<string, OutgoingTensor> = {},
  allocate: AllocateFrame = allocateNew,
): Uint8Array => {
  const entries = Object.entries(tensors).map(([name, tensor]) => ({ name, ...tensor, parts: partsOf(tensor.data) }));
  const head = packr.pack([header, entries.map(({ name, dtype, shape }) => [name, dtype, shape])]);
  if (head.byteLength > MAX_HEAD_BYTES)
    throw new DownpourError('too-large', `A header of ${head.byteLength} bytes is over the limit of ${MAX_HEAD_BYTES}`);
  let total = align(PREFIX_BYTES + head.byteLength);
  for (const { name, dtype, shape, parts } of entries) {
    const expected = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    const given = parts.reduce((sum, part) => sum + part.byteLength, 0);
    if (given !== expected)
      throw new DownpourError(
        'invalid-request',
        `Tensor ${name} of shape [${shape.join(', ')}] and ${dtype} takes ${expected} bytes, not ${given}`,
      );
    total += align(expected);
  }

  const frame = allocate(total);
  const view = new DataView(frame.buffer, frame.byteOffset);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, head.byteLength, true);
  frame.set(head, PREFIX_BYTES);
  let at = PREFIX_BYTES + head.byteLength;
  const pad = (): void => {
    const next = align(at);
    frame.fill(0, at, next);
    at = next;
  };
  pad();
  for (const { parts } of entries) {
    for (const part of parts) {
      if ('writeTo' in part) part.writeTo(frame.subarray(at, at + part.byteLength));
      else copyBytes(part, frame, at);
      at += part.byteLength;
    }
    pad();
  }
  return frame;
};

/**
 * Reads a frame. The tensors are views of `bytes`: nothing is copied.
 * @throws DownpourError invalid-request for anything that is not a whole frame. The header's meaning is the caller's to check.
 */
export const decodeFrame = (bytes: Uint8Array): TensorFrame => {
  const { byteLength } = bytes;
  if (byteLength < PREFIX_BYTES) throw malformed(`${byteLength} bytes are too few`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw malformed('it does not begin with DPF1');
  const headBytes = view.getUint32(4, true);
  if (headBytes > MAX_HEAD_BYTES || PREFIX_BYTES + headBytes > byteLength)
    throw malformed(`a head of ${headBytes} bytes does not fit`);
  const head = bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + headBytes);
  assertPlainMsgpack(head);
  const [header, list] = unpackHead(head);
  const tensors: Record<string, Tensor> = Object.create(null) as Record<string, Tensor>;
  let at = align(PREFIX_BYTES + headBytes);
  for (const entry of list) {
    const { name, dtype, shape } = tensorHead(entry);
    if (name in tensors) throw malformed(`tensor ${name} comes twice`);
    const length = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    if (!Number.isSafeInteger(length) || length > byteLength - at)
      throw malformed(`tensor ${name} of shape [${shape.join(', ')}] does not fit`);
    tensors[name] = { dtype, shape, data: bytes.subarray(at, at + length) };
    at += align(length);
  }
  // A sender may leave out the padding after the last tensor, no more.
  if (at !== align(byteLength)) throw malformed(`${byteLength} bytes are not the ${at} that its tensors take`);
  return { header, tensors };
};

const unpackHead = (head: Uint8Array): [header: unknown, tensors: unknown[]] => {
  let parsed: unknown;
  try {
    parsed = unpackr.unpack(head);
  } catch (cause) {
    throw new DownpourError('invalid-request', 'This is not a frame of this system: its head cannot be read', {
      cause,
    });
  }
  if (!Array.isArray(parsed) || parsed.length !== 2 || !Array.isArray(parsed[1]))
    throw malformed('its head is no pair');
  if (parsed[1].length > MAX_TENSORS) throw malformed(`more than ${MAX_TENSORS} tensors`);
  return [parsed[0], parsed[1]];
};

const tensorHead = (entry: unknown): { name: string; dtype: DType; shape: number[] } => {
  if (!Array.isArray(entry) || entry.length !== 3)
    throw malformed('a tensor is not described by name, dtype and shape');
  const [name, dtype, shape] = entry as unknown[];
  if (typeof name !== 'string' || name.length > 256) throw malformed('a tensor has no proper name');
  if (!isDType(dtype)) throw malformed(`tensor ${name} has an unknown dtype`);
  if (
    !Array.isArray(shape) ||
    shape.length > MAX_RANK ||
    !shape.every((size) => Number.isSafeInteger(size) && size >= 0)
  )
    throw malformed(`tensor ${name} has no proper shape`);
  return { name, dtype, shape: shape as number[] };
};

const partsOf = (data: OutgoingTensor['data']): (Uint8Array | WrittenData)[] =>
  'writeTo' in data
    ? [data]
    : (ArrayBuffer.isView(data) ? [data] : data).map(
        (part) => new Uint8Array(part.buffer as ArrayBuffer, part.byteOffset, part.byteLength),
      );
