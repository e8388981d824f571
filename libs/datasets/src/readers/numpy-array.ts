import { invalidDataset } from '../invalid-dataset.ts';

/** An array of a .npy file, in C order. */
export interface NumpyArray {
  shape: number[];
  /** uint8 as it is; every other type as doubles would lose nothing but int64 beyond 2^53. */
  data: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
}

type View = (bytes: ArrayBuffer) => NumpyArray['data'];

/** By dtype as numpy writes it. Bytes are copied to offset 0 before, for a typed array must be aligned. */
const DTYPES: Record<string, { bytes: number; view: View }> = {
  '|u1': { bytes: 1, view: (buffer) => new Uint8Array(buffer) },
  '|b1': { bytes: 1, view: (buffer) => new Uint8Array(buffer) },
  '|i1': { bytes: 1, view: (buffer) => Int32Array.from(new Int8Array(buffer)) },
  '<u2': { bytes: 2, view: (buffer) => Int32Array.from(new Uint16Array(buffer)) },
  '<i2': { bytes: 2, view: (buffer) => Int32Array.from(new Int16Array(buffer)) },
  '<u4': { bytes: 4, view: (buffer) => Float64Array.from(new Uint32Array(buffer)) },
  '<i4': { bytes: 4, view: (buffer) => new Int32Array(buffer) },
  '<u8': { bytes: 8, view: (buffer) => Float64Array.from(new BigUint64Array(buffer), Number) },
  '<i8': { bytes: 8, view: (buffer) => Float64Array.from(new BigInt64Array(buffer), Number) },
  '<f4': { bytes: 4, view: (buffer) => new Float32Array(buffer) },
  '<f8': { bytes: 8, view: (buffer) => new Float64Array(buffer) },
};
const NAMES = 'uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32 or float64, little-endian';

/** @throws DownpourError invalid-dataset */
export const parseNpy = (bytes: Uint8Array, file: string): NumpyArray => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = String.fromCharCode(...bytes.subarray(0, 6));
  if (bytes.byteLength < 10 || magic !== '\x93NUMPY') {
    throw invalidDataset(file, 'is not a .npy array: it should begin with \\x93NUMPY (save it with numpy.save)');
  }
  const major = bytes[6]!;
  if (major < 1 || major > 3) throw invalidDataset(file, `has .npy version ${major}; 1, 2 and 3 are known`);
  const lengthBytes = major === 1 ? 2 : 4;
  const headerLength =
    major === 1 ? view.getUint16(8, true) : bytes.byteLength >= 12 ? view.getUint32(8, true) : Infinity;
  const dataStart = 8 + lengthBytes + headerLength;
  if (dataStart > bytes.byteLength) throw invalidDataset(file, 'ends within its header');
  const header = new TextDecoder('utf-8').decode(bytes.subarray(8 + lengthBytes, dataStart));
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const shapeText = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(header)?.[1];
  if (fortran === undefined || shapeText === undefined) {
    throw invalidDataset(file, `has a header that cannot be read: ${header.trim().slice(0, 200)}`);
  }
  const dtype = descr === undefined ? undefined : DTYPES[descr];
  if (dtype === undefined) {
    const found = descr ?? 'a record type';
    throw invalidDataset(file, `has values of type ${found}; ${NAMES} can be read (use numpy.ndarray.astype)`);
  }
  const shape = shapeText
    .split(',')
    .map((size) => size.trim())
    .filter((size) => size !== '')
    .map(Number);
  if (fortran === 'True' && shape.length > 1) {
    throw invalidDataset(file, 'is in Fortran order: save numpy.ascontiguousarray(array)');
  }
  const expectedBytes = shape.reduce((product, size) => product * size, dtype.bytes);
  const foundBytes = bytes.byteLength - dataStart;
  if (foundBytes !== expectedBytes) {
    const verdict = foundBytes < expectedBytes ? 'is cut off' : 'has something after its data';
    throw invalidDataset(
      file,
      `${verdict}: ${descr} values of shape (${shape.join(', ')}) take ${expectedBytes} bytes, ${foundBytes} found`,
    );
  }
  return { shape, data: dtype.view(new Uint8Array(bytes.subarray(dataStart)).buffer) };
};
