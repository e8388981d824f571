#!/usr/bin/env node
// `npm run bench -- OPTIONS`: sets up what is missing, then measures under Node 24. docs/benchmarks.md.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { PATHS, ROOT } from './setup/paths.mjs';
import { projectEnvironment } from './setup/run.mjs';
import { setup } from './setup.mjs';

const args = process.argv.slice(2);
try {
  await setup();
  if (args.includes('--peers')) {
    const { installPeers } = await import('./setup/peers.mjs');
    await installPeers();
  }
  const env = { ...projectEnvironment(), NODE_OPTIONS: '' };
  const child = spawn(PATHS.node, [join(ROOT, 'bench', 'dist', 'main.js'), ...args], {
    cwd: ROOT,
    env,
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
