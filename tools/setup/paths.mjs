import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const native = join(ROOT, '.native');
export const PATHS = {
  native,
  tensorflow: join(native, 'tensorflow'),
  bin: join(native, 'bin'),
  natsServer: join(native, 'bin', 'nats-server'),
  addon: join(native, 'addon'),
  stamps: join(native, 'stamps'),
  logs: join(native, 'logs'),
  /** Everything unfinished lives here; whatever a killed setup left is removed by the next one. */
  work: join(native, 'work'),
  lock: join(native, 'setup.lock'),
  requirements: join(ROOT, 'native', 'requirements.txt'),
  modules: join(ROOT, 'node_modules'),
  /** Node 24, from an npm package that carries the binary itself. */
  node: join(ROOT, 'node_modules', '.bin', 'node'),
  installedAddon: join(ROOT, 'node_modules', '@tensorflow', 'tfjs-node', 'lib', 'napi-v8', 'tfjs_binding.node'),
};
