#!/usr/bin/env node
// `npm run chaos -- OPTIONS`: sets up what is missing, then trains under faults. docs/reliability.md.

import { join } from 'node:path';
import { become } from './setup/become.mjs';
import { ROOT } from './setup/paths.mjs';
import { setup } from './setup.mjs';

try {
  await setup();
  const main = join(ROOT, 'apps', 'e2e', 'dist', 'chaos', 'main.js');
  become([main, ...process.argv.slice(2)], { env: { NODE_OPTIONS: '' } });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
