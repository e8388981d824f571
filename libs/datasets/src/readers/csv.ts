import { numberClasses } from '../class-labels.ts';
import { checkFinite } from '../finite.ts';
import { holdOut } from '../hold-out.ts';
import { invalidDataset } from '../invalid-dataset.ts';
import type { Split } from '../loaded-dataset.ts';
import { fitScaling, scaleRows } from '../normalise.ts';
import type { DatasetReader } from '../reader.ts';
import { parseCsvTable } from './csv-table.ts';
import type { CsvTable } from './csv-table.ts';

/** Comma-separated values, gzip allowed: one row an example, one column the label, every other column a number. */
export const csvReader: DatasetReader<'csv'> = {
  fileSets: [{ required: ['train'], optional: ['test'] }],
  read: async (spec, files, { budget }) => {
    const train = await parseCsvTable(files.get('train')!, 'train', spec, budget);
    const testFile = files.get('test');
    const test = testFile === undefined ? null : await parseCsvTable(testFile, 'test', spec, budget);
    if (test !== null && test.columns.join('\n') !== train.columns.join('\n')) {
      throw invalidDataset(
        'test',
        `has the columns ${test.columns.join(', ')}; those of train are ${train.columns.join(', ')}`,
      );
    }
    const rows = test === null ? holdOut(train.rows, spec.testShare) : { train: all(train.rows), test: all(test.rows) };
    const width = train.columns.length;
    const classes = spec.labelKind === 'class' ? numberClasses(train.classNames, 'train') : null;
    const scaling = fitScaling(train.features, width, rows.train, spec.normalisation);
    const split = (table: CsvTable, chosen: Uint32Array, file: string): Split => {
      const features = scaleRows(table.features, width, chosen, scaling);
      checkFinite(features, width, file, 'normalised, the example');
      return { count: chosen.length, features, labels: labelsOf(table, chosen, classes, file) };
    };
    return {
      summary: {
        trainExamples: rows.train.length,
        testExamples: rows.test.length,
        featureShape: [width],
        featureType: 'float32',
        labelKind: spec.labelKind,
        classes: classes?.size ?? 0,
        ...(classes === null ? {} : { classNames: [...classes.keys()] }),
        labelWidth: 1,
      },
      train: split(train, rows.train, 'train'),
      test: split(test ?? train, rows.test, test === null ? 'train' : 'test'),
    };
  },
};

const all = (rows: number): Uint32Array => Uint32Array.from({ length: rows }, (_, row) => row);

const labelsOf = (
  table: CsvTable,
  rows: Uint32Array,
  classes: Map<string, number> | null,
  file: string,
): Split['labels'] => {
  if (classes === null) return Float32Array.from(rows, (row) => table.labels[row]!);
  const numbers = table.classNames.map((name) => classes.get(name) ?? -1);
  const unknown = numbers.indexOf(-1);
  if (unknown >= 0) {
    throw invalidDataset(
      file,
      `has the class "${table.classNames[unknown]}", which train has not: ${[...classes.keys()].slice(0, 20).join(', ')}`,
    );
  }
  return Int32Array.from(rows, (row) => numbers[table.labels[row]!]!);
};
