#!/usr/bin/env node
// `npm run fuzz -- --frames N --seed N`: mutated messages against the handlers of every service, many more than `npm test` tries, and what became of
// them. docs/reliability.md.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { become } from './setup/become.mjs';
import { PATHS } from './setup/paths.mjs';
import { setup } from './setup.mjs';

/** Shard (pushes, and requests), data sharder, worker, gateway: each tries its share. */
const SHARES = 5;

try {
  const { frames, seed } = parseArgs({
    options: { frames: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' } },
  }).values;
  const count = Math.ceil(Number(frames) / SHARES);
  if (!Number.isInteger(count) || count < 1 || !Number.isInteger(Number(seed))) {
    throw new Error('npm run fuzz -- [--frames N] [--seed N]: whole numbers, please');
  }
  await setup({ build: false });
  const vitest = join(PATHS.modules, 'vitest', 'vitest.mjs');
  become([vitest, 'run', 'fuzz.spec', '--no-file-parallelism'], {
    env: { FUZZ_FRAMES: String(count), FUZZ_SEED: seed },
  });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
