/** NumPy's .npy, version 1.0 (numpy/lib/format.py): a header padded to 64 bytes, then the values row by row, little-endian. */
export function npy(values: Float32Array | Int32Array, shape: readonly number[]): Blob {
  const type = values instanceof Float32Array ? '<f4' : '<i4';
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dictionary = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const unpadded = MAGIC.length + 2 + dictionary.length + 1;
  const padded = Math.ceil(unpadded / 64) * 64;
  const text = dictionary.padEnd(dictionary.length + padded - unpadded) + '\n';
  const head = new Uint8Array(padded);
  head.set(MAGIC);
  new DataView(head.buffer).setUint16(MAGIC.length, text.length, true);
  head.set(new TextEncoder().encode(text), MAGIC.length + 2);
  return new Blob([head, values as Float32Array<ArrayBuffer>]);
}

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0);
