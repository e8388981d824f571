#!/usr/bin/env node
// `npm run fuzz:http -- --seconds N --seed N`: schemathesis makes requests from the OpenAPI document of a running gateway, well-formed and not; none may be
// answered with 5xx. docs/reliability.md.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { PATHS, ROOT } from './setup/paths.mjs';
import { installPythonPackages } from './setup/python-packages.mjs';
import { projectEnvironment } from './setup/run.mjs';
import { setup } from './setup.mjs';

try {
  await setup();
  const { python, site } = await installPythonPackages({
    name: 'schemathesis',
    title: 'schemathesis',
    requirements: join(ROOT, 'apps', 'e2e', 'src', 'http-fuzz', 'requirements.txt'),
    wanted: 'npm run fuzz:http',
  });
  const main = join(ROOT, 'apps', 'e2e', 'dist', 'http-fuzz', 'main.js');
  const child = spawn(PATHS.node, [main, '--python', python, '--site', site, ...process.argv.slice(2)], {
    cwd: ROOT,
    env: { ...projectEnvironment(), NODE_OPTIONS: '' },
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => (signal !== 'SIGINT' || !process.stdin.isTTY ? child.kill(signal) : undefined));
  }
  child.on('close', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
