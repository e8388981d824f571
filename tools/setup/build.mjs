// The workspace's own build (`npm run build`), skipped when no input has changed since the last one that succeeded.

import { existsSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { PATHS, ROOT } from './paths.mjs';
import { projectEnvironment, run } from './run.mjs';
import { digest, readStamp } from './wheels.mjs';

const stampFile = join(PATHS.stamps, 'build');
const INPUTS = [
  'apps',
  'libs',
  'bench',
  'tools/build-kernels.mjs',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.base.json',
];
/** Of the TypeScript compiler, and of tools/build-kernels.mjs. */
const OUTPUTS = new Set(['dist', 'wasm']);
const IGNORED = new Set(['node_modules', 'results', 'coverage']);

/** Names, sizes and times of all inputs: 20 ms, where `tsc -b` takes seconds to find out that it has nothing to do. */
export function scanWorkspace() {
  const inputs = [];
  const outputs = [];
  const visit = (path) => {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (!stats) return;
    if (!stats.isDirectory()) {
      if (!path.endsWith('.tsbuildinfo')) inputs.push([relative(ROOT, path), stats.size, stats.mtimeMs]);
      return;
    }
    for (const name of readdirSync(path).sort()) {
      if (OUTPUTS.has(name)) outputs.push(relative(ROOT, join(path, name)));
      else if (!IGNORED.has(name)) visit(join(path, name));
    }
  };
  for (const input of INPUTS) visit(join(ROOT, input));
  return { inputs: digest(inputs), outputs };
}

export function buildIsCurrent() {
  const text = readStamp(stampFile);
  if (!text) return false;
  const stamp = JSON.parse(text);
  return stamp.inputs === scanWorkspace().inputs && stamp.outputs.every((output) => existsSync(join(ROOT, output)));
}

export async function build(lockFd) {
  // Inputs as they are before: what is edited meanwhile is built next time.
  const { inputs } = scanWorkspace();
  await run('build', ['npm', 'run', '--silent', 'build'], { lockFd, env: projectEnvironment() });
  mkdirSync(PATHS.stamps, { recursive: true });
  const fresh = `${stampFile}.new`;
  writeFileSync(fresh, JSON.stringify({ inputs, outputs: scanWorkspace().outputs }));
  renameSync(fresh, stampFile);
}
