import type { DatasetSpec } from '@downpour/contracts';
import { numberClasses } from '../class-labels.ts';
import { decodeImage, toChannels } from '../decode-image.ts';
import { gatherRows } from '../gather.ts';
import { holdOut } from '../hold-out.ts';
import { invalidDataset } from '../invalid-dataset.ts';
import type { Split } from '../loaded-dataset.ts';
import type { DatasetReader, ReadingContext } from '../reader.ts';
import { resize } from '../resize.ts';
import { openZip } from '../zip.ts';
import type { ZipEntry } from '../zip.ts';

type ImagesSpec = Extract<DatasetSpec, { format: 'images' }>;

/**
 * A zip with a folder for each class: `cat/1.png`, or below a common folder, `pets/cat/1.png`. PNG and JPEG, any size: each is
 * resized to width x height of the spec (resize.ts) and stays uint8.
 */
export const imagesReader: DatasetReader<'images'> = {
  fileSets: [{ required: ['train'], optional: ['test'] }],
  read: async (spec, files, context) => {
    const trainPictures = await listPictures(files.get('train')!, 'train', context);
    const classes = numberClasses(
      trainPictures.map((picture) => picture.className),
      'train',
    );
    const train = decodeAll(trainPictures, spec, classes, 'train', context);
    const testFile = files.get('test');
    let splits: { train: Split; test: Split };
    if (testFile === undefined) {
      const rows = holdOut(train.count, spec.testShare);
      splits = { train: pick(train, rows.train, spec), test: pick(train, rows.test, spec) };
    } else {
      const pictures = await listPictures(testFile, 'test', context);
      splits = { train, test: decodeAll(pictures, spec, classes, 'test', context) };
    }
    return {
      summary: {
        trainExamples: splits.train.count,
        testExamples: splits.test.count,
        featureShape: [spec.height, spec.width, spec.channels],
        featureType: 'uint8',
        labelKind: 'class',
        classes: classes.size,
        classNames: [...classes.keys()],
        labelWidth: 1,
      },
      ...splits,
    };
  },
};

interface Picture {
  className: string;
  entry: ZipEntry;
}

/** What operating systems and people leave in zips; it is neither an example nor a mistake. */
const NOT_A_PICTURE = /(^|\/)(\.|__MACOSX\/|Thumbs\.db$)|\.(txt|md|csv|json|xml|ya?ml|html?|pdf)$/i;

const listPictures = async (
  bytes: Uint8Array,
  file: string,
  { budget, limits }: ReadingContext,
): Promise<Picture[]> => {
  const entries = await openZip(bytes, file, budget, limits);
  const pictures = entries
    .filter((entry) => !NOT_A_PICTURE.test(entry.name))
    .map((entry) => {
      const className = entry.name.split('/').at(-2);
      if (className === undefined)
        throw invalidDataset(file, `${entry.name} lies in no folder: its folder names its class`);
      return { className, entry };
    });
  if (pictures.length === 0) throw invalidDataset(file, 'is empty: it has no picture in a folder');
  return pictures;
};

const decodeAll = (
  pictures: Picture[],
  { width, height, channels }: ImagesSpec,
  classes: Map<string, number>,
  file: string,
  { budget }: ReadingContext,
): Split => {
  const imageBytes = width * height * channels;
  budget.spend(pictures.length * imageBytes, file);
  const features = new Uint8Array(pictures.length * imageBytes);
  const labels = new Int32Array(pictures.length);
  for (const [row, { className, entry }] of pictures.entries()) {
    const label = classes.get(className);
    if (label === undefined) {
      throw invalidDataset(
        file,
        `has the class "${className}", which train has not: ${[...classes.keys()].slice(0, 20).join(', ')}`,
      );
    }
    const pixels = toChannels(decodeImage(entry.read(), `${file}: ${entry.name}`), channels);
    features.set(resize(pixels, width, height).data, row * imageBytes);
    labels[row] = label;
  }
  return { count: pictures.length, features, labels };
};

const pick = ({ features, labels }: Split, rows: Uint32Array, { width, height, channels }: ImagesSpec): Split => ({
  count: rows.length,
  features: gatherRows(features, width * height * channels, rows, 0, rows.length),
  labels: gatherRows(labels, 1, rows, 0, rows.length),
});
