import { parse } from 'csv-parse';
import type { CsvError, InfoRecord } from 'csv-parse';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { gunzipIfNeeded } from '../inflate.ts';
import { GrowableArray } from '../growable-array.ts';
import { invalidDataset } from '../invalid-dataset.ts';
import type { ByteBudget } from '../limits.ts';

export interface CsvOptions {
  header: boolean;
  labelColumn: string | number;
  labelKind: 'class' | 'number';
}

/** A CSV file as numbers: features row after row, labels beside them. */
export interface CsvTable {
  rows: number;
  /** Names of the feature columns; their places where there is no header. */
  columns: string[];
  features: Float64Array;
  /** Numbers; or for classes, indices into classNames in order of appearance. */
  labels: Float64Array;
  classNames: string[];
}

const SLICE_BYTES = 256 * 1024;
/** A quote that is never closed would otherwise swallow the whole file before anybody said so. */
const MAX_RECORD_BYTES = 16 * 2 ** 20;

/** @throws DownpourError invalid-dataset naming line and column of the first bad cell */
export const parseCsvTable = async (
  raw: Uint8Array,
  file: string,
  options: CsvOptions,
  budget: ByteBudget,
): Promise<CsvTable> => {
  const bytes = gunzipIfNeeded(raw, file, budget);
  const builder = new TableBuilder(file, options, budget);
  const parser = parse({
    bom: true,
    trim: true,
    skip_empty_lines: true,
    relax_column_count: true, // TableBuilder counts, and says it better
    max_record_size: MAX_RECORD_BYTES,
    on_record: (record: string[], info) => {
      builder.add(record, info as InfoRecord);
      return undefined;
    },
  });
  try {
    Readable.from(slices(bytes)).pipe(parser).resume();
    await finished(parser);
  } catch (error) {
    if (error instanceof Error && error.name === 'DownpourError') throw error;
    const where = (error as CsvError & { lines?: number }).lines;
    throw invalidDataset(
      file,
      `${where === undefined ? '' : `line ${where}: `}is not CSV: ${(error as Error).message}`,
      error,
    );
  }
  return builder.finish();
};

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += SLICE_BYTES) yield bytes.subarray(at, at + SLICE_BYTES);
}

class TableBuilder {
  readonly #file: string;
  readonly #options: CsvOptions;
  readonly #features: GrowableArray;
  readonly #labels: GrowableArray;
  readonly #classes = new Map<string, number>();
  #names: string[] | undefined;
  #labelIndex = -1;

  constructor(file: string, options: CsvOptions, budget: ByteBudget) {
    this.#file = file;
    this.#options = options;
    this.#features = new GrowableArray(file, budget);
    this.#labels = new GrowableArray(file, budget);
  }

  add(record: string[], { lines }: Pick<InfoRecord, 'lines'>): void {
    if (this.#names === undefined) {
      this.#open(record);
      if (this.#options.header) return;
    }
    const names = this.#names!;
    if (record.length !== names.length) {
      throw invalidDataset(this.#file, `line ${lines} has ${record.length} columns, ${names.length} expected`);
    }
    for (let column = 0; column < record.length; column++) {
      const text = record[column]!;
      if (text === '')
        throw invalidDataset(this.#file, `${this.#place(lines, column)} is empty: every cell needs a value`);
      if (column !== this.#labelIndex) this.#features.push(this.#number(text, lines, column));
      else if (this.#options.labelKind === 'number') this.#labels.push(this.#number(text, lines, column));
      else this.#labels.push(this.#class(text));
    }
  }

  finish(): CsvTable {
    if (this.#names === undefined || this.#labels.length === 0) {
      throw invalidDataset(
        this.#file,
        `is empty: it has no row${this.#names === undefined ? '' : ' below its header'}`,
      );
    }
    return {
      rows: this.#labels.length,
      columns: this.#names.filter((_, column) => column !== this.#labelIndex),
      features: this.#features.values(),
      labels: this.#labels.values(),
      classNames: [...this.#classes.keys()],
    };
  }

  #open(record: string[]): void {
    const { header, labelColumn } = this.#options;
    const names = header ? record : record.map((_, column) => String(column));
    this.#names = names;
    const shown = header ? names.join(', ') : `0 to ${names.length - 1}`;
    if (typeof labelColumn === 'number') {
      if (labelColumn >= names.length) {
        throw invalidDataset(
          this.#file,
          `has no column ${labelColumn} for the label; its columns are ${shown} (labelColumn counts from 0)`,
        );
      }
      this.#labelIndex = labelColumn;
    } else {
      if (!header) {
        throw invalidDataset(
          this.#file,
          `has no header, so labelColumn must be a number counted from 0, not "${labelColumn}"`,
        );
      }
      const found = names.filter((name) => name === labelColumn).length;
      if (found !== 1) {
        throw invalidDataset(
          this.#file,
          `has ${found === 0 ? 'no' : found} columns "${labelColumn}" for the label; its columns are ${shown}`,
        );
      }
      this.#labelIndex = names.indexOf(labelColumn);
    }
    if (names.length < 2) {
      throw invalidDataset(
        this.#file,
        `has only the column ${shown}: it needs a label and at least one feature, separated by commas`,
      );
    }
  }

  #number(text: string, line: number, column: number): number {
    const value = Number(text);
    // Beyond float32 a value would turn into an infinity on its way into the model.
    if (!Number.isFinite(Math.fround(value))) {
      throw invalidDataset(
        this.#file,
        `${this.#place(line, column)} is ${JSON.stringify(text.slice(0, 40))}, which is not a finite float32 number`,
      );
    }
    return value;
  }

  #class(text: string): number {
    const known = this.#classes.get(text);
    if (known !== undefined) return known;
    this.#classes.set(text, this.#classes.size);
    return this.#classes.size - 1;
  }

  #place(line: number, column: number): string {
    return `line ${line}, column ${this.#options.header ? `"${this.#names![column]}"` : column}`;
  }
}
