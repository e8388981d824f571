#!/usr/bin/env node
// `npm run fuzz:http -- --seconds N --seed N`: schemathesis makes requests from the OpenAPI document of a running gateway, well-formed and not; none may be
// answered with 5xx. docs/reliability.md.

import { join } from 'node:path';
import { become } from './setup/become.mjs';
import { ROOT } from './setup/paths.mjs';
import { installPythonPackages } from './setup/python-packages.mjs';
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
  become([main, '--python', python, '--site', site, ...process.argv.slice(2)], { env: { NODE_OPTIONS: '' } });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
