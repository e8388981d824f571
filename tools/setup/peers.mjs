// Python's TensorFlow for `npm run bench -- --peers`.

import { join } from 'node:path';
import { ROOT } from './paths.mjs';
import { installPythonPackages } from './python-packages.mjs';

/** Does nothing when it is there. @throws Error that says what to install */
export async function installPeers() {
  await installPythonPackages({
    name: 'peers',
    title: "Python's TensorFlow",
    requirements: join(ROOT, 'bench', 'peers', 'requirements.txt'),
    wanted: '--peers',
  });
}
