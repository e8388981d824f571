#!/usr/bin/env node
// `npm start -- OPTIONS`: sets up what is missing, then runs `downpour start OPTIONS` under Node 24.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers';
import { PATHS, ROOT } from './setup/paths.mjs';
import { projectEnvironment } from './setup/run.mjs';
import { setup } from './setup.mjs';

/** How often to look whether npm is still there; a dead npm forwards no signals. */
const ORPHAN_CHECK_MS = 500;

const cli = join(ROOT, 'apps', 'cli', 'dist', 'main.js');

try {
  await setup();
  if (!existsSync(cli))
    throw new Error(`${cli} is missing although the workspace is compiled: run \`npm run build\` and look.`);
  become(PATHS.node, [cli, 'start', ...process.argv.slice(2)]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

/** As good as exec: same terminal, signals passed on, same exit code, and the child never outlives this process's parent. */
function become(program, args) {
  const child = spawn(program, args, { cwd: ROOT, env: projectEnvironment(), stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the child as well; a second one might mean "at once" there.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  const parent = process.ppid;
  const orphanCheck = setInterval(() => {
    if (process.env.npm_lifecycle_event && process.ppid !== parent) child.kill('SIGTERM');
  }, ORPHAN_CHECK_MS);
  orphanCheck.unref();
  child.on('error', (error) => {
    console.error(`Could not run ${program}: ${error.message}`);
    process.exit(1);
  });
  child.on('close', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}
