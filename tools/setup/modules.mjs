// The npm packages, Node 24 among them.

import { accessSync, constants, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PATHS, ROOT } from './paths.mjs';
import { hostEnvironment, run } from './run.mjs';

const installedLock = join(PATHS.modules, '.package-lock.json');

/** Whether node_modules holds what package-lock.json asks for, by npm's own record, which it writes last. */
export function modulesAreCurrent() {
  if (!existsSync(installedLock) || !existsSync(PATHS.node)) return false;
  return sameModules(readJson(join(ROOT, 'package-lock.json')), readJson(installedLock));
}

/**
 * @param {object} wanted a package-lock.json
 * @param {object} installed the node_modules/.package-lock.json that npm left
 */
export function sameModules(wanted, installed) {
  return Object.entries(wanted.packages).every(([path, entry]) => {
    if (path === '') return true; // the workspace itself
    const present = installed.packages[path];
    // Optional packages are those of other platforms: npm leaves them out.
    if (!present) return entry.optional === true;
    return present.version === entry.version && present.integrity === entry.integrity;
  });
}

export async function installModules(platform, lockFd) {
  // npm empties node_modules in any order. Without its record an interrupted run can never pass for a complete one.
  rmSync(installedLock, { force: true });
  const command = ['npm', 'ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  await run('npm-ci', command, { lockFd, env: hostEnvironment(hasNode) });
  if (!existsSync(PATHS.node)) {
    throw new Error(
      `npm did not install the optional package ${platform.nodePackage}, which carries Node 24. ` +
        'Check that the registry npm is configured for serves it, then run setup again.',
    );
  }
}

function hasNode(bins) {
  return bins.some((bin) => {
    try {
      accessSync(join(bin, 'node'), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}
