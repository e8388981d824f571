#!/usr/bin/env node
// Compiles libs/kernels/assembly (AssemblyScript) to WebAssembly, once for a memory that one thread sees and once for one that threads
// share: a module that imports the one kind does not take the other. Does nothing when the sources have not changed. May be killed at
// any moment: files are made aside and moved into place, the stamp last. `--force` compiles in any case.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = join(root, 'libs', 'kernels', 'assembly');
const target = join(root, 'libs', 'kernels', 'wasm');
const stampFile = join(target, 'sources.sha256');

/** No relaxed SIMD: it may fuse a multiplication with an addition, and then two machines differ in the last bit. */
const COMMON = ['-O3', '--noAssert', '--enable', 'simd', '--runtime', 'stub'];
const MEMORY = ['--importMemory', '--noExportMemory', '--initialMemory', '1', '--maximumMemory', '65536'];
const OUTPUTS = {
  'kernels.wasm': [],
  'kernels-shared.wasm': ['--sharedMemory', '--enable', 'threads'],
};

const compiler = createRequire(join(root, 'package.json')).resolve('assemblyscript/package.json');
const names = readdirSync(sources).filter((name) => name.endsWith('.ts'));
const hash = createHash('sha256');
for (const file of [fileURLToPath(import.meta.url), compiler, ...names.sort().map((name) => join(sources, name))]) {
  hash.update(readFileSync(file)).update('\0');
}
const stamp = hash.digest('hex');

const isCurrent =
  existsSync(stampFile) &&
  readFileSync(stampFile, 'utf8') === stamp &&
  Object.keys(OUTPUTS).every((name) => existsSync(join(target, name)));

if (!isCurrent || process.argv.includes('--force')) {
  mkdirSync(target, { recursive: true });
  rmSync(stampFile, { force: true });
  // What a killed build has left.
  for (const name of readdirSync(target)) if (!(name in OUTPUTS)) rmSync(join(target, name), { force: true });
  const asc = join(compiler, '..', 'bin', 'asc.js');
  for (const [name, flags] of Object.entries(OUTPUTS)) {
    const fresh = join(target, `${name}.${process.pid}`);
    const options = [join(sources, 'index.ts'), '--outFile', fresh, ...COMMON, ...MEMORY, ...flags];
    const { status, error } = spawnSync(process.execPath, [asc, ...options], { stdio: 'inherit' });
    if (status !== 0) {
      rmSync(fresh, { force: true });
      console.error(`${name} could not be compiled${error ? `: ${error.message}` : ''}`);
      process.exit(1);
    }
    renameSync(fresh, join(target, name));
  }
  writeFileSync(`${stampFile}.${process.pid}`, stamp);
  renameSync(`${stampFile}.${process.pid}`, stampFile);
}
