#!/usr/bin/env node
// Makes a fresh clone runnable: npm packages with Node 24, TensorFlow's library, nats-server, tfjs-node's addon, and the
// compiled workspace. Does only what is missing, needs no network when nothing is, and may be killed at any moment:
// everything is made aside and moved into place, stamps last. Plain Node 20, no dependencies: it runs before there are any.

import { rmSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { addonIsBuilt, addonIsInstalled, addonStamp, buildAddon, installAddon } from './setup/addon.mjs';
import { build, buildIsCurrent } from './setup/build.mjs';
import { acquireLock } from './setup/lock.mjs';
import { installModules, modulesAreCurrent } from './setup/modules.mjs';
import { PATHS } from './setup/paths.mjs';
import { currentPlatform, TESTED_PLATFORM } from './setup/platform.mjs';
import { checkDisk, checkPrerequisites } from './setup/prerequisites.mjs';
import { Progress } from './setup/progress.mjs';
import { stopCommands } from './setup/run.mjs';
import { installWheel, wheelIsCurrent, wheelParts } from './setup/wheels.mjs';

/**
 * @param {{ build?: boolean }} options build: false leaves the workspace uncompiled @default true
 */
export async function setup(options = {}) {
  const platform = currentPlatform();
  if (missingSteps(platform, options).length === 0) return;

  checkPrerequisites();
  const onSignal = (signal) => {
    stopCommands();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const lock = await acquireLock((holder) =>
    console.error(`Another setup is at work here (process ${holder || 'unknown'}). Waiting for it to end.`),
  );
  try {
    rmSync(PATHS.work, { recursive: true, force: true });
    // Asked again: the setup that was waited for may have done it all.
    const steps = missingSteps(platform, options);
    if (steps.some((step) => step.large)) checkDisk();
    if (steps.length > 0 && platform.name !== TESTED_PLATFORM) {
      console.error(`Only ${TESTED_PLATFORM} has been tried; on ${platform.name} you are the first.`);
    }
    const progress = new Progress(steps.length);
    for (const { title, work } of steps) await progress.step(title, (status) => work(lock.fd, status));
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    lock.release();
  }
}

/** In the order in which they need each other. */
function missingSteps(platform, { build: wantsBuild = true }) {
  const steps = [];
  const modules = modulesAreCurrent();
  if (!modules) {
    steps.push({ title: 'npm packages and Node 24', large: true, work: (lockFd) => installModules(platform, lockFd) });
  }
  const parts = wheelParts(platform);
  for (const part of parts) {
    if (wheelIsCurrent(part)) continue;
    const title = part.requirement.split(' ')[0].replace('==', ' ');
    const work = (lockFd, status) => installWheel(part, platform, lockFd, status);
    steps.push({ title, large: part.target === PATHS.tensorflow, work });
  }
  const tensorflow = parts.find((part) => part.target === PATHS.tensorflow);
  // Without node_modules the addon's sources are unknown; the step looks again when it runs.
  const stamp = () => addonStamp(tensorflow.stamp);
  if (!modules || steps.length > 0 || !addonIsBuilt(stamp()) || !addonIsInstalled()) {
    const work = async (lockFd) => {
      if (addonIsBuilt(stamp())) installAddon();
      else await buildAddon(stamp(), lockFd);
    };
    steps.push({ title: "tfjs-node's addon", work });
  }
  if (wantsBuild && (!modules || !buildIsCurrent())) steps.push({ title: 'compile the workspace', work: build });
  return steps;
}

/** Whether a file is the program that Node was started with. */
export function isMain(url) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url);
}

if (isMain(import.meta.url)) {
  try {
    await setup({ build: !process.argv.includes('--no-build') });
    console.error('Ready.');
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
