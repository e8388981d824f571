import { DownpourError } from '@downpour/contracts';
import { BYTES_PER_ELEMENT, elementCount } from './dtype.ts';
import type { DType } from './tensor.ts';

/*
 * The safetensors format (huggingface/safetensors, README "Format"):
 *   0  length n of the header, uint64 little-endian
 *   8  header: JSON { name: { dtype, shape, data_offsets: [begin, end] }, ..., __metadata__: { text: text } }, spaces at its end
 *   8+n the tensors' bytes, one after the other without gaps, little-endian, row by row; offsets count from here
 */
const PREFIX_BYTES = 8;
const ALIGNMENT = 8;
/** The limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA = '__metadata__';

const NAMES: Readonly<Record<DType, string>> = {
  float32: 'F32',
  bfloat16: 'BF16',
  float16: 'F16',
  int32: 'I32',
  uint8: 'U8',
  int8: 'I8',
};
const DTYPES = new Map(Object.entries(NAMES).map(([dtype, name]) => [name, dtype as DType]));

/** A tensor as a file describes it. */
export interface SafetensorsEntry {
  name: string;
  dtype: DType;
  shape: readonly number[];
}

/** A tensor in a file: bytes [begin, end) from the beginning of the file. */
export interface PlacedTensor extends SafetensorsEntry {
  begin: number;
  end: number;
}

export interface SafetensorsHeader {
  /** Where the tensors' bytes begin. */
  dataBegin: number;
  /** Bytes of the whole file. */
  bytes: number;
  tensors: PlacedTensor[];
  metadata: Record<string, string>;
}

/**
 * The beginning of a file whose tensors follow in the order given: the caller writes their bytes after it.
 * @throws DownpourError invalid-request when two have one name, or one has the name that the format keeps to itself; too-large
 */
export const encodeSafetensorsHeader = (
  tensors: readonly SafetensorsEntry[],
  metadata: Record<string, string> = {},
): { bytes: Uint8Array; header: SafetensorsHeader } => {
  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [[METADATA, metadata]] : [];
  const names = new Set<string>([METADATA]);
  const placed: PlacedTensor[] = [];
  let at = 0;
  for (const { name, dtype, shape } of tensors) {
    if (names.has(name))
      throw new DownpourError('invalid-request', `Two tensors of one file are named ${name}: rename a variable`);
    names.add(name);
    const end = at + elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    entries.push([name, { dtype: NAMES[dtype], shape, data_offsets: [at, end] }]);
    placed.push({ name, dtype, shape, begin: at, end });
    at = end;
  }
  // Not JSON.stringify of an object: names that look like numbers would change places, and `__proto__` vanish.
  const text = `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
  const json = Buffer.from(text, 'utf8');
  const length = Math.ceil(json.byteLength / ALIGNMENT) * ALIGNMENT;
  if (length > MAX_HEADER_BYTES)
    throw new DownpourError('too-large', `A safetensors header of ${length} bytes is over the limit of the format`);
  const bytes = Buffer.alloc(PREFIX_BYTES + length, ' ');
  bytes.writeBigUInt64LE(BigInt(length));
  bytes.set(json, PREFIX_BYTES);
  const dataBegin = bytes.byteLength;
  const moved = placed.map((tensor) => ({ ...tensor, begin: tensor.begin + dataBegin, end: tensor.end + dataBegin }));
  return { bytes, header: { dataBegin, bytes: dataBegin + at, tensors: moved, metadata } };
};

/** Bytes of prefix and header, from the first 8 bytes of a file. @throws DownpourError invalid-request when it is no such file */
export const safetensorsHeaderBytes = (prefix: Uint8Array): number => {
  if (prefix.byteLength < PREFIX_BYTES) throw malformed('it ends before its header');
  const length = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES).getBigUint64(0, true);
  if (length < 2n || length > BigInt(MAX_HEADER_BYTES)) throw malformed(`its header is ${length} bytes long`);
  return PREFIX_BYTES + Number(length);
};

/** Reads prefix and header. @throws DownpourError invalid-request when they contradict the format */
export const decodeSafetensorsHeader = (bytes: Uint8Array): SafetensorsHeader => {
  const dataBegin = safetensorsHeaderBytes(bytes);
  if (bytes.byteLength < dataBegin) throw malformed('it ends within its header');
  const header = parse(bytes.subarray(PREFIX_BYTES, dataBegin));
  const tensors = Object.entries(header)
    .filter(([name]) => name !== METADATA)
    .map(([name, entry]) => placedTensor(name, entry, dataBegin))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = dataBegin;
  for (const { name, begin, end } of tensors) {
    if (begin !== at) throw malformed(`tensor ${name} leaves a gap, or overlaps another`);
    at = end;
  }
  return { dataBegin, bytes: at, tensors, metadata: metadataOf(header[METADATA]) };
};

const parse = (bytes: Uint8Array): Record<string, unknown> => {
  try {
    const header: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
    if (typeof header === 'object' && header !== null && !Array.isArray(header))
      return header as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw malformed('its header is no JSON object');
};

const placedTensor = (name: string, entry: unknown, dataBegin: number): PlacedTensor => {
  const { dtype: type, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  const dtype = DTYPES.get(String(type));
  if (dtype === undefined) throw malformed(`tensor ${name} is of type ${String(type)}, which is not known here`);
  if (!isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) throw malformed(`tensor ${name} has no place`);
  const [begin, end] = offsets as [number, number];
  if (end - begin !== elementCount(shape) * BYTES_PER_ELEMENT[dtype])
    throw malformed(`tensor ${name} of shape [${shape.join(', ')}] does not take ${end - begin} bytes`);
  return { name, dtype, shape, begin: begin + dataBegin, end: end + dataBegin };
};

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((part) => Number.isSafeInteger(part) && part >= 0);

const metadataOf = (value: unknown): Record<string, string> =>
  Object.fromEntries(Object.entries((value ?? {}) as object).map(([key, text]) => [key, String(text)]));

const malformed = (why: string): DownpourError =>
  new DownpourError('invalid-request', `This is not a safetensors file: ${why}`);
