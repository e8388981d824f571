#!/usr/bin/env node
// `npm run reproduce -- figure4`: sets up what is missing, then runs experiments under Node 24. docs/strategies.md.

import { join } from 'node:path';
import { become } from './setup/become.mjs';
import { ROOT } from './setup/paths.mjs';
import { setup } from './setup.mjs';

try {
  await setup();
  become([join(ROOT, 'bench', 'dist', 'reproduce', 'main.js'), ...process.argv.slice(2)], {
    env: { NODE_OPTIONS: '' },
  });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
