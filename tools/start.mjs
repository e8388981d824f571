#!/usr/bin/env node
// `npm start -- OPTIONS`: sets up what is missing, then runs `downpour start OPTIONS` under Node 24.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { become } from './setup/become.mjs';
import { ROOT } from './setup/paths.mjs';
import { setup } from './setup.mjs';

const cli = join(ROOT, 'apps', 'cli', 'dist', 'main.js');

try {
  await setup();
  if (!existsSync(cli))
    throw new Error(`${cli} is missing although the workspace is compiled: run \`npm run build\` and look.`);
  become([cli, 'start', ...process.argv.slice(2)]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
