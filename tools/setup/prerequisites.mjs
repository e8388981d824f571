import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { ROOT } from './paths.mjs';

const NODE_MAJOR = 20;

/** What must be there before anything is fetched, and the command that installs it. */
const PREREQUISITES = [
  {
    name: 'npm',
    probe: ['npm', '--version'],
    install: {
      debian: 'sudo apt-get install -y npm',
      fedora: 'sudo dnf install -y nodejs-npm',
      macos: 'brew install node',
    },
  },
  {
    name: 'python3',
    probe: ['python3', '--version'],
    install: {
      debian: 'sudo apt-get install -y python3',
      fedora: 'sudo dnf install -y python3',
      macos: 'brew install python',
    },
  },
  {
    name: 'pip for python3',
    probe: ['python3', '-m', 'pip', '--version'],
    install: {
      debian: 'sudo apt-get install -y python3-pip',
      fedora: 'sudo dnf install -y python3-pip',
      macos: 'python3 -m ensurepip',
    },
  },
  {
    name: 'make',
    probe: ['make', '--version'],
    install: {
      debian: 'sudo apt-get install -y make',
      fedora: 'sudo dnf install -y make',
      macos: 'xcode-select --install',
    },
  },
  {
    name: 'g++',
    probe: ['g++', '--version'],
    install: {
      debian: 'sudo apt-get install -y g++',
      fedora: 'sudo dnf install -y gcc-c++',
      macos: 'xcode-select --install',
    },
  },
];

/** npm's packages (1 GB), TensorFlow's libraries (800 MB), and their wheel (300 MB) while it is unpacked. */
const NEEDED_BYTES = 2.5e9;

/** @throws one error that names everything that is missing */
export function checkPrerequisites() {
  const problems = [];
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR) {
    problems.push(
      `Node ${NODE_MAJOR} or newer is needed to begin with, this is ${process.version}: install a newer one with your package manager or nvm.`,
    );
  }
  for (const { name, probe, install } of PREREQUISITES) {
    if (!works(probe)) {
      const { debian, fedora, macos } = install;
      problems.push(
        `${name} is missing.\n      Debian, Ubuntu: ${debian}\n      Fedora: ${fedora}\n      macOS: ${macos}`,
      );
    }
  }
  if (problems.length > 0) {
    throw new Error(`Before Downpour can be set up:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/** @throws when the disk is too small for a first setup */
export function checkDisk() {
  const { bavail, bsize } = statfsSync(ROOT);
  const freeBytes = bavail * bsize;
  if (freeBytes < NEEDED_BYTES) {
    throw new Error(
      `Setting up takes ${NEEDED_BYTES / 1e9} GB in ${ROOT}, and only ${(freeBytes / 1e9).toFixed(1)} GB are free. ` +
        'Make room, or put the checkout on a larger disk.',
    );
  }
}

function works([program, ...args]) {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
