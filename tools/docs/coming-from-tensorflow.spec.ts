import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Downpour, Job } from '@downpour/client';
import * as contracts from '@downpour/contracts';
import type { ParameterLayout, Placement } from '@downpour/contracts';
import { jobSpecSchema, placementSchema } from '@downpour/contracts';
import { placementBalance, placeParameters } from '@downpour/parameters';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../../apps/gateway/src/openapi/document.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const PAGE = path.join(ROOT, 'docs/coming-from-tensorflow.md');
const page = readFileSync(PAGE, 'utf8');

const rowsUnder = (heading: string): string[][] => {
  const section = page.slice(page.indexOf(`## ${heading}`)).split(/\n## /)[0]!;
  const lines = section.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(2).map((line) => line.slice(2, -2).split(' | '));
};
const codeIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);

/** What a piece of code on the page stands for, checked; false when it is none of these. */
function checks(code: string): boolean {
  if (code.startsWith('{')) {
    jobSpecSchema.parse({ model: { zoo: 'mlp' }, dataset: 'mnist', ...(JSON.parse(code) as object) });
    return true;
  }
  const route = /^(GET|POST|PUT|DELETE) (\/\S+)$/.exec(code);
  if (route) {
    const operations = openApiDocument('0').paths?.[route[2]!] ?? {};
    expect(operations, code).toHaveProperty(route[1]!.toLowerCase());
    return true;
  }
  const method = /^(downpour|job)\.(\w+)$/.exec(code);
  if (method) {
    expect((method[1] === 'job' ? Job : Downpour).prototype, code).toHaveProperty(method[2]!);
    return true;
  }
  if (/^(apps|libs)\//.test(code)) {
    expect(existsSync(path.join(ROOT, code)), code).toBe(true);
    return true;
  }
  return code in contracts;
}

const shapes = [[784, 100], [100], [100, 100], [100], [100, 10], [10]];
function mlp(): ParameterLayout {
  let length = 0;
  const variables = shapes.map((shape, index) => {
    const own = shape.reduce((size, n) => size * n, 1);
    length += own;
    return { name: `v${index}`, shape, offset: length - own, length: own, trainable: true };
  });
  return { length, trainableLength: length, variables };
}

describe('docs/coming-from-tensorflow.md', () => {
  it.each(rowsUnder('Old and new'))('%s', (old, now) => {
    const checked = codeIn(now!).filter((code) => checks(code));
    // What TensorFlow has and Downpour has not, says so.
    if (!now!.startsWith('none')) expect(checked.length, old).toBeGreaterThan(0);
  });

  it('shows how each placement balances issue 24953 (npx vitest run tools/docs --update writes it)', async () => {
    const rows = rowsUnder('Placement: what round robin costs').map(([cell]) => {
      const placement: Placement = placementSchema.parse(JSON.parse(codeIn(cell!)[0]!));
      const { bytes, imbalance } = placementBalance(placeParameters(mlp(), 4, placement));
      return `| ${cell} | ${bytes.map((count) => count.toLocaleString('en')).join(' | ')} | ${imbalance.toFixed(2)} |`;
    });
    expect(rows.length).toBeGreaterThan(5);
    const lines = page.split('\n');
    const at = lines.findIndex((line) => line.startsWith('| placement |')) + 2;
    const written = [...lines.slice(0, at), ...rows, ...lines.slice(at + rows.length)].join('\n');
    await expect(written).toMatchFileSnapshot(PAGE);
  });
});
