/** An image of bytes, rows from the top, channels interleaved. */
export interface Pixels {
  width: number;
  height: number;
  channels: number;
  data: Uint8Array;
}

/**
 * Bilinear resizing with a triangle filter that widens when it shrinks (as Pillow's BILINEAR and tf.image's antialias do): a
 * large photograph becomes an average of its pixels, not a sample of them. The aspect ratio is not kept.
 */
export const resize = (image: Pixels, width: number, height: number): Pixels => {
  if (image.width === width && image.height === height) return image;
  const { channels } = image;
  const columns = filter(image.width, width);
  const rows = filter(image.height, height);
  const wide = new Float32Array(width * image.height * channels);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      const { start, weights } = columns[x]!;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) {
          sum += weights[k]! * image.data[(y * image.width + start + k) * channels + c]!;
        }
        wide[(y * width + x) * channels + c] = sum;
      }
    }
  }
  const data = new Uint8Array(width * height * channels);
  const stride = width * channels;
  for (let y = 0; y < height; y++) {
    const { start, weights } = rows[y]!;
    for (let x = 0; x < stride; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * wide[(start + k) * stride + x]!;
      data[y * stride + x] = Math.min(255, Math.max(0, Math.round(sum)));
    }
  }
  return { width, height, channels, data };
};

interface Taps {
  start: number;
  weights: number[];
}

/** For each target pixel, the source pixels it is made of. Pixel centres lie at half integers. */
const filter = (from: number, to: number): Taps[] => {
  const ratio = from / to;
  const support = Math.max(1, ratio);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * ratio;
    const start = Math.max(0, Math.floor(centre - support + 0.5));
    const end = Math.min(from, Math.floor(centre + support + 0.5));
    const weights: number[] = [];
    for (let j = start; j < end; j++) weights.push(Math.max(0, 1 - Math.abs((j + 0.5 - centre) / support)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { start, weights: weights.map((weight) => weight / total) };
  });
};
