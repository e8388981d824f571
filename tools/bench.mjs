#!/usr/bin/env node
// `npm run bench -- OPTIONS`: sets up what is missing, then measures under Node 24. docs/benchmarks.md.

import { join } from 'node:path';
import { become } from './setup/become.mjs';
import { ROOT } from './setup/paths.mjs';
import { setup } from './setup.mjs';

const args = process.argv.slice(2);
try {
  await setup();
  if (args.includes('--peers')) {
    const { installPeers } = await import('./setup/peers.mjs');
    await installPeers();
  }
  become([join(ROOT, 'bench', 'dist', 'main.js'), ...args], { env: { NODE_OPTIONS: '' } });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
