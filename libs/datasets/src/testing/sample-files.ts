import { gzipSync } from 'node:zlib';
import { Zip, ZipDeflate, zipSync } from 'fflate';
import { PNG } from 'pngjs';
import jpeg from 'jpeg-js';

/** Small files of every format, made for tests. */

export const idx = (shape: number[], data: number[], magic = [0, 0, 8, shape.length]): Uint8Array => {
  const header = Buffer.alloc(4 + 4 * shape.length);
  Buffer.from(magic).copy(header);
  shape.forEach((size, axis) => header.writeUInt32BE(size, 4 + 4 * axis));
  return Buffer.concat([header, Buffer.from(data)]);
};

export const gzip = (bytes: Uint8Array): Uint8Array => gzipSync(bytes);
export const text = (content: string): Uint8Array => Buffer.from(content, 'utf8');

type Numbers = ArrayBufferView;
/** As numpy.save writes it, version 1. */
export const npy = (
  descr: string,
  shape: number[],
  data: Numbers,
  { fortran = false, version = 1 } = {},
): Uint8Array => {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const prefix = version === 1 ? 10 : 12;
  let header = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${tuple}, }`;
  header = header.padEnd(Math.ceil((prefix + header.length + 1) / 64) * 64 - prefix - 1) + '\n';
  const length = Buffer.alloc(prefix - 8);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  return Buffer.concat([
    Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0]),
    length,
    Buffer.from(header),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
};

export const zip = (files: Record<string, Uint8Array>): Uint8Array => zipSync(files);

/** A zip entry that inflates to far more than it takes: `mebibytes` MiB of zeros. */
export const zipBomb = (name: string, mebibytes: number): Uint8Array => {
  const parts: Uint8Array[] = [];
  const archive = new Zip((_error, part) => void parts.push(part));
  const entry = new ZipDeflate(name, { level: 9 });
  archive.add(entry);
  const zeros = new Uint8Array(2 ** 20);
  for (let i = 0; i < mebibytes; i++) entry.push(zeros, i === mebibytes - 1);
  archive.end();
  return Buffer.concat(parts);
};

export type Rgb = [number, number, number];

export const png = (width: number, height: number, colour: (x: number, y: number) => Rgb, alpha = 255): Uint8Array => {
  const image = new PNG({ width, height });
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) image.data.set([...colour(x, y), alpha], 4 * (y * width + x));
  }
  return PNG.sync.write(image);
};

export const jpg = (width: number, height: number, [red, green, blue]: Rgb): Uint8Array => {
  const data = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; i++) data.set([red, green, blue, 255], 4 * i);
  return jpeg.encode({ width, height, data }, 100).data;
};
