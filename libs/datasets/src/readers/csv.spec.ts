import { describe, expect, it } from 'vitest';
import { gzip, text } from '../testing/sample-files.ts';
import { read, refusal } from '../testing/read.ts';

const SPEC = { name: 'flowers', format: 'csv', labelColumn: 'kind', testShare: 0, normalisation: 'none' } as const;
const FLOWERS = 'width,kind,height\n1,rose,10\n2,aster,20\n3,rose,30\n4,lily,40\n';
const numbers = (values: ArrayLike<number>): number[] => Array.from(values);

describe('the CSV reader', () => {
  it('takes the label column out and numbers classes in order of name', async () => {
    const { summary, train } = await read(SPEC, { train: text(FLOWERS) });
    expect(summary).toEqual({
      trainExamples: 4,
      testExamples: 0,
      featureShape: [2],
      featureType: 'float32',
      labelKind: 'class',
      classes: 3,
      classNames: ['aster', 'lily', 'rose'],
      labelWidth: 1,
    });
    expect(numbers(train.features)).toEqual([1, 10, 2, 20, 3, 30, 4, 40]);
    expect(numbers(train.labels)).toEqual([2, 0, 2, 1]);
  });

  it('orders class names that are whole numbers by value', async () => {
    const { summary } = await read(SPEC, { train: text('a,kind\n1,10\n1,9\n1,2\n') });
    expect(summary.classNames).toEqual(['2', '9', '10']);
  });

  it.each([
    ['a byte order mark', '\ufeff' + FLOWERS],
    ['Windows line ends', FLOWERS.replaceAll('\n', '\r\n')],
    ['no line end at the end', FLOWERS.trimEnd()],
    ['blank lines', FLOWERS.replaceAll('\n', '\n\n')],
    ['spaces and quotes', 'width , "kind",height\n1, "rose" ,1e1\n2,aster, 20\n 3,rose,30.0\n+4,lily,40\n'],
  ])('copes with %s', async (_title, content) => {
    const { train } = await read(SPEC, { train: text(content) });
    expect(numbers(train.features)).toEqual([1, 10, 2, 20, 3, 30, 4, 40]);
    expect(numbers(train.labels)).toEqual([2, 0, 2, 1]);
  });

  it('reads gzip, no header, the label by index, and numbers as labels', async () => {
    const spec = { ...SPEC, header: false, labelColumn: 0, labelKind: 'number' } as const;
    const { summary, train } = await read(spec, { train: gzip(text('0.5,1,2\n-3,4,5\n')) });
    expect(summary).toMatchObject({ labelKind: 'number', classes: 0, labelWidth: 1, featureShape: [2] });
    expect(numbers(train.labels)).toEqual([0.5, -3]);
    expect(numbers(train.features)).toEqual([1, 2, 4, 5]);
  });

  it('normalises by the statistics of the training rows alone', async () => {
    const spec = { ...SPEC, normalisation: 'standard' } as const;
    const { train, test } = await read(spec, {
      train: text('a,b,kind\n1,7,x\n3,7,y\n'),
      test: text('a,b,kind\n5,8,x\n'),
    });
    // Column a: mean 2, deviation 1. Column b is constant in training: 0, never NaN.
    expect(numbers(train.features)).toEqual([-1, 0, 1, 0]);
    expect(numbers(test.features)).toEqual([3, 0]);
    const minMax = await read({ ...SPEC, normalisation: 'minMax' }, { train: text('a,kind\n10,x\n20,y\n15,x\n') });
    expect(numbers(minMax.train.features)).toEqual([0, 1, 0.5]);
  });

  it('keeps its precision for large offsets, as years and timestamps have', async () => {
    const rows = Array.from({ length: 1000 }, (_, i) => `${1.7e9 + i},${i % 2}`).join('\n');
    const { train } = await read({ ...SPEC, normalisation: 'standard' }, { train: text(`time,kind\n${rows}\n`) });
    const values = numbers(train.features);
    const mean = values.reduce((sum, value) => sum + value, 0) / 1000;
    const variance = values.reduce((sum, value) => sum + value * value, 0) / 1000;
    expect(mean).toBeCloseTo(0, 5);
    expect(variance).toBeCloseTo(1, 5);
    expect(new Set(train.features).size).toBe(1000);
  });

  it('holds out the same share of rows every time, and every row is in one split', async () => {
    const rows = Array.from({ length: 50 }, (_, i) => `${i},${i % 2}`).join('\n');
    const once = await read({ ...SPEC, testShare: 0.3 }, { train: text(`a,kind\n${rows}\n`) });
    const again = await read({ ...SPEC, testShare: 0.3 }, { train: text(`a,kind\n${rows}\n`) });
    expect(once.test.count).toBe(15);
    expect(again.test.features).toEqual(once.test.features);
    const seen = [...numbers(once.train.features), ...numbers(once.test.features)].sort((a, b) => a - b);
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i));
    // Labels went with their rows.
    for (let i = 0; i < 15; i++) expect(once.test.labels[i]).toBe(once.test.features[i]! % 2);
  });

  const cases: [string, object, Record<string, string>, RegExp][] = [
    [
      'text among numbers',
      {},
      { train: 'a,kind\n1,x\ntall,y\n' },
      /train: line 3, column "a" is "tall", which is not a finite float32 number/,
    ],
    ['NaN', {}, { train: 'a,kind\n1,x\n2,y\nNaN,x\n' }, /line 4, column "a" is "NaN"/],
    ['an infinity', {}, { train: 'a,kind\n-Infinity,x\n' }, /line 2, column "a" is "-Infinity"/],
    ['a number beyond float32', {}, { train: 'a,kind\n1,x\n1e39,y\n' }, /line 3, column "a" is "1e39"/],
    ['an empty cell', {}, { train: 'a,b,kind\n1,2,x\n1,,y\n' }, /line 3, column "b" is empty/],
    ['an empty label', {}, { train: 'a,kind\n1,\n' }, /line 2, column "kind" is empty/],
    ['too few columns', {}, { train: 'a,b,kind\n1,2,x\n1,y\n' }, /line 3 has 2 columns, 3 expected/],
    ['too many columns', {}, { train: 'a,b,kind\n1,2,x,9\n' }, /line 2 has 4 columns, 3 expected/],
    [
      'a label column that is not there',
      { labelColumn: 'species' },
      { train: FLOWERS },
      /has no columns "species" for the label; its columns are width, kind, height/,
    ],
    ['a label column given twice', {}, { train: 'kind,kind\n1,2\n' }, /has 2 columns "kind"/],
    [
      'a label index out of range',
      { labelColumn: 3 },
      { train: FLOWERS },
      /has no column 3 for the label; .*counts from 0/,
    ],
    [
      'a label name without a header',
      { header: false },
      { train: '1,2\n' },
      /has no header, so labelColumn must be a number/,
    ],
    ['one column', {}, { train: 'kind\nx\ny\n' }, /needs a label and at least one feature/],
    [
      'semicolons',
      { labelColumn: 0 },
      { train: 'a;kind\n1;x\n' },
      /has only the column a;kind: .* separated by commas/,
    ],
    ['a header alone', {}, { train: 'a,kind\n' }, /is empty: it has no row below its header/],
    ['blank lines alone', {}, { train: '\n\n' }, /is empty: it has no row/],
    ['one class', {}, { train: 'a,kind\n1,x\n2,x\n' }, /every label is "x": there must be at least two classes/],
    ['labels that are no numbers', { labelKind: 'number' }, { train: FLOWERS }, /line 2, column "kind" is "rose"/],
    ['a quote never closed', {}, { train: 'a,kind\n1,x\n2,"y\n3,x\n' }, /is not CSV: .*[Qq]uote/],
    [
      'other columns in the test file',
      {},
      { train: FLOWERS, test: 'width,kind,depth\n1,rose,2\n' },
      /test: has the columns width, depth; those of train are width, height/,
    ],
    [
      'a class that only the test file has',
      {},
      { train: FLOWERS, test: 'width,kind,height\n1,tulip,2\n' },
      /test: has the class "tulip", which train has not: aster, lily, rose/,
    ],
  ];
  it.each(cases)('refuses %s', async (_title, more, files, message) => {
    const bytes = Object.fromEntries(Object.entries(files).map(([name, content]) => [name, text(content)]));
    const error = await refusal(read({ ...SPEC, ...more }, bytes));
    expect(error.code).toBe('invalid-dataset');
    expect(error.message).toMatch(message);
  });

  it('names the right line in the middle of a large file', async () => {
    const rows = Array.from({ length: 60_000 }, (_, i) => (i === 41_234 ? 'oops,1' : `${i},${i % 2}`)).join('\n');
    const error = await refusal(read(SPEC, { train: text(`a,kind\n${rows}\n`) }));
    expect(error.message).toMatch(/line 41236, column "a" is "oops"/);
  });

  it('stops at the limit of memory', async () => {
    const rows = '1,2,3,4,5,6,7,8,x\n'.repeat(40_000);
    const files = { train: gzip(text(`a,b,c,d,e,f,g,h,kind\n${rows}`)) };
    const error = await refusal(read(SPEC, files, { maxBytes: 100_000, maxEntries: 1 }));
    expect(error.message).toMatch(/holds more than the 100000 bytes/);
  });
});
