import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpCluster } from './http-cluster.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
/** Where the gateway is, on the pages. */
const ADDRESS = 'http://127.0.0.1:8080';

/** What the blocks of a page print, as patterns, in their order. */
const PAGES: [page: string, printed: RegExp[]][] = [
  ['docs/client.md', [/^(0\.\d+\n)+Tensor\n/m, /^queued.*\n(.*\n)*succeeded \nlayers-model 31400/m]],
  [
    'docs/coming-from-tensorflow.md',
    [
      /^waiting for worker "worker-of-bob": the job's cluster names it, and no process of that name or host is there; .*\nsucceeded/m,
    ],
  ],
];

describe('what the documents show', { timeout: 240_000 }, () => {
  let cluster: HttpCluster;
  // Inside the repository, where the packages are found, and ignored by git.
  const dist = path.join(ROOT, 'apps/e2e/dist');
  mkdirSync(dist, { recursive: true });
  const folder = mkdtempSync(path.join(dist, 'snippets-'));
  beforeAll(async () => {
    cluster = await HttpCluster.start({ workers: 1, shards: 1 });
  }, 180_000);
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await cluster?.stop();
  });

  it.each(PAGES)('%s: every block of TypeScript runs and prints what it says', async (page, printed) => {
    const blocks = [...readFileSync(path.join(ROOT, page), 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(
      ([, code]) => code!,
    );
    expect(blocks).toHaveLength(printed.length);
    for (const [index, code] of blocks.entries()) {
      const file = path.join(folder, `${path.basename(page, '.md')}-${index}.ts`);
      writeFileSync(file, code.replaceAll(ADDRESS, cluster.url));
      const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', file], { timeout: 200_000 });
      expect(stdout).toMatch(printed[index]!);
    }
  });
});
