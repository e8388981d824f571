#!/usr/bin/env node
// `npm run chaos -- OPTIONS`: sets up what is missing, then trains under faults. docs/reliability.md.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { PATHS, ROOT } from './setup/paths.mjs';
import { projectEnvironment } from './setup/run.mjs';
import { setup } from './setup.mjs';

try {
  await setup();
  const main = join(ROOT, 'apps', 'e2e', 'dist', 'chaos', 'main.js');
  const child = spawn(PATHS.node, [main, ...process.argv.slice(2)], {
    cwd: ROOT,
    env: { ...projectEnvironment(), NODE_OPTIONS: '' },
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // A terminal sends Ctrl-C to the child as well.
    process.on(signal, () => (signal !== 'SIGINT' || !process.stdin.isTTY ? child.kill(signal) : undefined));
  }
  child.on('close', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
