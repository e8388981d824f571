#!/usr/bin/env node
// `npm run test:compose`: the cluster in containers, from the Dockerfile and docker-compose.yml that users run. Needs a container
// engine with Compose; where none answers, a script that makes one (DOCKER_ENGINE_SCRIPT) is tried. Exit code 77: it cannot run here.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PATHS, ROOT } from './setup/paths.mjs';
import { setup } from './setup.mjs';

const SKIP_EXIT_CODE = 77;
const DOCKER_TIMEOUT_MS = 20_000;
const engineScript = process.env.DOCKER_ENGINE_SCRIPT ?? join(ROOT, '../shared/docker/engine.sh');

function answers(...args) {
  try {
    execFileSync('docker', args, { stdio: 'ignore', timeout: DOCKER_TIMEOUT_MS });
    return true;
  } catch {
    return false;
  }
}

/** @returns {string | undefined} why containers cannot be started */
function obstacle() {
  if (!answers('--version')) return 'docker is not installed';
  if (!answers('info')) return 'no docker engine answers `docker info`';
  if (!answers('compose', 'version')) return 'docker has no compose plugin';
  return undefined;
}

/** An engine can be there without the base images, and without a registry to pull them from: the script makes those too. */
function prepareEngine() {
  if (!existsSync(engineScript) || process.getuid?.() !== 0) return;
  console.log(`Preparing a container engine with ${engineScript}`);
  spawnSync('bash', [engineScript, 'up'], { stdio: ['ignore', 'inherit', 'inherit'] });
}

prepareEngine();
const reason = obstacle();
if (reason) {
  console.log(`Skipped: ${reason}.`);
  process.exit(SKIP_EXIT_CODE);
}

await setup();
const report = process.env.DOWNPOUR_TEST_REPORT;
const { status } = spawnSync(
  PATHS.node,
  [
    join(PATHS.modules, 'vitest/vitest.mjs'),
    'run',
    '--config',
    join(ROOT, 'apps/e2e/vitest.compose.config.ts'),
    '--reporter=default',
    ...(report ? ['--reporter=json', `--outputFile.json=${report}`] : []),
  ],
  {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, TESTCONTAINERS_RYUK_DISABLED: 'true', TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1' },
  },
);
process.exit(status ?? 1);
