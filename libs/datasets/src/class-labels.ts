import { invalidDataset } from './invalid-dataset.ts';

/** More classes than this is a column of numbers that was taken for classes. */
export const MAX_CLASSES = 65_536;

/**
 * Class numbers as they stand in a file: whole numbers from 0. Test labels must be among the classes of the training split.
 * @param told number of classes, where the uploader has said it
 * @returns number of classes: as told, or the largest training label + 1
 * @throws DownpourError invalid-dataset naming the row (counted from 0)
 */
export const checkClassNumbers = (train: Labels, test: Labels | null, told?: number): number => {
  const highest = largest(train, told ?? MAX_CLASSES);
  const classes = told ?? highest + 1;
  if (classes < 2) throw invalidDataset(train.file, 'every label is 0: there must be at least two classes');
  if (test !== null) largest(test, classes);
  return classes;
};

export interface Labels {
  file: string;
  values: ArrayLike<number>;
}

const largest = ({ file, values }: Labels, classes: number): number => {
  let max = -1;
  for (let row = 0; row < values.length; row++) {
    const label = values[row]!;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw invalidDataset(
        file,
        `the label of row ${row} is ${label}; it should be a whole number from 0 to ${classes - 1}` +
          (classes === MAX_CLASSES ? '' : ', the classes of the training split'),
      );
    }
    if (label > max) max = label;
  }
  return max;
};

/**
 * Numbers class names in order of name: by value when all of them are whole numbers (2 before 10), else by code point.
 * @throws DownpourError invalid-dataset when there are fewer than two, or too many to be classes
 */
export const numberClasses = (names: Iterable<string>, file: string): Map<string, number> => {
  const distinct = [...new Set(names)];
  if (distinct.length < 2) {
    throw invalidDataset(file, `every label is "${distinct[0] ?? ''}": there must be at least two classes`);
  }
  if (distinct.length > MAX_CLASSES) {
    throw invalidDataset(
      file,
      `has ${distinct.length} different labels: are they numbers? Then set labelKind to "number"`,
    );
  }
  const numeric = distinct.every((name) => /^-?\d{1,15}$/.test(name));
  distinct.sort(numeric ? (a, b) => Number(a) - Number(b) : (a, b) => (a < b ? -1 : 1));
  return new Map(distinct.map((name, index) => [name, index]));
};
