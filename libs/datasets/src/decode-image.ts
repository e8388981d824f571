import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { invalidDataset } from './invalid-dataset.ts';
import type { Pixels } from './resize.ts';

/** A picture larger than this is a bomb or a mistake: it would take 64 MiB as RGBA. */
const MAX_PIXELS = 4096 * 4096;
const JPEG_MEMORY_MB = 512;

/** PNG or JPEG, told apart by their first bytes, as RGBA. @throws DownpourError invalid-dataset */
export const decodeImage = (bytes: Uint8Array, name: string): Pixels => {
  const isPng = bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47;
  const isJpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  if (!isPng && !isJpeg) throw invalidDataset(name, 'is neither PNG nor JPEG: convert it');
  try {
    if (isPng) {
      // The header is looked at first: the decoder would allocate whatever it claims.
      const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      checkSize(header.getUint32(16), header.getUint32(20), name);
      const { width, height, data } = PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      return { width, height, channels: 4, data };
    }
    const { width, height, data } = jpeg.decode(bytes, {
      useTArray: true,
      maxResolutionInMP: MAX_PIXELS / 1e6,
      maxMemoryUsageInMB: JPEG_MEMORY_MB,
    });
    return { width, height, channels: 4, data };
  } catch (error) {
    if (error instanceof Error && error.name === 'DownpourError') throw error;
    throw invalidDataset(name, `cannot be decoded as ${isPng ? 'PNG' : 'JPEG'} (${(error as Error).message})`, error);
  }
};

const checkSize = (width: number, height: number, name: string): void => {
  if (width * height > MAX_PIXELS) {
    throw invalidDataset(name, `is ${width} x ${height}; at most ${MAX_PIXELS} pixels can be read`);
  }
};

/** RGBA to grey (ITU-R BT.601 luma, as Pillow's convert('L')) or RGB; transparency is laid on black. */
export const toChannels = (rgba: Pixels, channels: 1 | 3): Pixels => {
  const { width, height, data } = rgba;
  const out = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    const alpha = data[4 * i + 3]! / 255;
    const [red, green, blue] = [data[4 * i]! * alpha, data[4 * i + 1]! * alpha, data[4 * i + 2]! * alpha];
    if (channels === 1) out[i] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    else out.set([Math.round(red), Math.round(green), Math.round(blue)], 3 * i);
  }
  return { width, height, channels, data: out };
};
