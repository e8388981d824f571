import { loadBuiltIn, type BuiltInId } from '@downpour/datasets';
import { zipSync } from 'fflate';
import { PNG } from 'pngjs';

/** PNG files in a folder for each class, zipped: the first so many images of a split, as people upload their own. */
export async function imageFolder(id: BuiltInId, split: 'train' | 'test', count: number): Promise<Blob> {
  const { summary, [split]: examples } = await loadBuiltIn(id, undefined);
  const [height, width] = summary.featureShape as [number, number];
  const size = height * width;
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < count; i++) {
    const image = new PNG({ width, height, colorType: 0, inputColorType: 0 });
    image.data = Buffer.from(examples.features.subarray(i * size, (i + 1) * size) as Uint8Array);
    files[`${examples.labels[i]}/${i}.png`] = PNG.sync.write(image, { colorType: 0, inputColorType: 0 });
  }
  return new Blob([zipSync(files, { level: 0 })]);
}
