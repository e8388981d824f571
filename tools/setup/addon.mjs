// tfjs-node's addon, compiled against the library from the wheel.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { PATHS, ROOT } from './paths.mjs';
import { projectEnvironment, run } from './run.mjs';
import { digest, readStamp } from './wheels.mjs';

const built = join(PATHS.addon, 'tfjs_binding.node');
const stampFile = join(PATHS.addon, 'stamp');
const sources = join(PATHS.modules, '@tensorflow', 'tfjs-node', 'binding');

/** What the addon is made of. @param {string} tensorflowStamp */
export function addonStamp(tensorflowStamp) {
  const files = [join(ROOT, 'native', 'Makefile'), ...readdirSync(sources).map((name) => join(sources, name))];
  const nodeApi = join(PATHS.modules, 'node-api-headers', 'package.json');
  return digest(
    tensorflowStamp,
    process.platform,
    process.arch,
    ...[...files, nodeApi].map((file) => readFileSync(file, 'utf8')),
  );
}

export function addonIsBuilt(stamp) {
  return readStamp(stampFile) === stamp && existsSync(built);
}

/** `npm ci` removes the copy in node_modules; the one in .native survives it. */
export function addonIsInstalled() {
  return existsSync(PATHS.installedAddon) && readFileSync(PATHS.installedAddon).equals(readFileSync(built));
}

export async function buildAddon(stamp, lockFd) {
  const work = join(PATHS.work, 'addon');
  await run('addon', ['make', '-j2', '-C', join(ROOT, 'native'), `BUILD=${work}`], { lockFd });
  mkdirSync(PATHS.addon, { recursive: true });
  rmSync(stampFile, { force: true });
  renameSync(join(work, 'tfjs_binding.node'), built);
  installAddon();
  await checkAddon(lockFd);
  writeFileSync(stampFile, stamp);
  rmSync(work, { recursive: true, force: true });
}

export function installAddon() {
  const target = PATHS.installedAddon;
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(built, `${target}.new`);
  renameSync(`${target}.new`, target);
}

/** Loads the addon once and multiplies, so that a broken build is found here and not by the first worker. */
async function checkAddon(lockFd) {
  // tfjs-node 4.22 calls two functions that Node 23 removed (tfjs issue 8609). libs/engine does the same as this.
  const script = `
    const util = require('node:util');
    util.isNullOrUndefined ??= (value) => value === null || value === undefined;
    util.isArray ??= Array.isArray;
    const tf = require('@tensorflow/tfjs-node');
    const sum = tf.tidy(() => tf.matMul(tf.ones([2, 3]), tf.ones([3, 2])).sum().dataSync()[0]);
    if (sum !== 12) throw new Error('TensorFlow computed ' + sum + ' instead of 12');
  `;
  const env = { ...projectEnvironment(), TF_CPP_MIN_LOG_LEVEL: '2' };
  await run('addon-check', [PATHS.node, '--input-type=commonjs', '-e', script], { lockFd, env });
}
