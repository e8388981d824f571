import os from 'node:os';

/** dlopen's flag "never unload"; Node does not name it. */
const RTLD_NODELETE = process.platform === 'darwin' ? 0x80 : 0x1000;
const LIBRARIES =
  process.platform === 'darwin'
    ? ['@rpath/libtensorflow_cc.2.dylib', '@rpath/libtensorflow_framework.2.dylib']
    : ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];

/**
 * Keeps TensorFlow's libraries in memory when the thread that loaded them ends: they have registered exit handlers and threads of their
 * own, and a process whose TensorFlow was unloaded ends with a segmentation fault. Call it once they are loaded: a library is then found
 * by its name.
 */
export function keepLoaded(): void {
  for (const library of LIBRARIES) {
    try {
      process.dlopen({ exports: {} }, library, os.constants.dlopen.RTLD_NOW | RTLD_NODELETE);
    } catch {
      // Node says that it is no addon, which is right; by then it is pinned.
    }
  }
}
