#!/usr/bin/env node
// Brings Fashion-MNIST into .native/datasets/fashion-mnist from Debian's package dataset-fashion-mnist: nothing is installed and no
// rights are needed, but it takes apt-get and dpkg-deb (Debian, Ubuntu). Safe to repeat and to interrupt.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const PACKAGE = 'dataset-fashion-mnist';
/** Of the files once inflated: compression may differ between releases. */
const SHA256 = {
  'train-images-idx3-ubyte.gz': 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
  'train-labels-idx1-ubyte.gz': 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
  't10k-images-idx3-ubyte.gz': '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
  't10k-labels-idx1-ubyte.gz': '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
};
const UPLOAD = `Where there is no apt, upload the four files of Fashion-MNIST to a running gateway and name the id it answers as the data set:
  curl http://127.0.0.1:8080/v1/datasets \\
    -F 'spec={"name":"fashion-mnist","format":"idx"}' \\
    -F train-images=@train-images-idx3-ubyte.gz -F train-labels=@train-labels-idx1-ubyte.gz \\
    -F test-images=@t10k-images-idx3-ubyte.gz -F test-labels=@t10k-labels-idx1-ubyte.gz`;

const folder = fileURLToPath(new URL('../../.native/datasets', import.meta.url));
const target = join(folder, 'fashion-mnist');

const isWhole = (path) =>
  Object.entries(SHA256).every(
    ([name, digest]) =>
      existsSync(join(path, name)) &&
      createHash('sha256')
        .update(gunzipSync(readFileSync(join(path, name))))
        .digest('hex') === digest,
  );

const fail = (message) => {
  console.error(message);
  process.exit(1);
};

const call = (command, args, cwd) => {
  const { error, status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (error?.code === 'ENOENT') fail(`${command} is not on this machine.\n${UPLOAD}`);
  if (status !== 0) {
    const hint = /Unable to locate|No candidate/.test(stderr) ? '\nDo apt-get update first.' : '';
    fail(`${command} ${args.join(' ')} failed: ${error?.message ?? ''}${stdout}${stderr}${hint}\n${UPLOAD}`);
  }
};

if (isWhole(target)) {
  console.log(`Fashion-MNIST is in ${target}`);
  process.exit(0);
}
mkdirSync(folder, { recursive: true });
const work = mkdtempSync(join(folder, 'fetching-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

console.log(`Downloading Debian's package ${PACKAGE} (31 MB)`);
// As root, apt would hand the download to a user who may not write here, and warn.
call('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', PACKAGE], work);
const archive = readdirSync(work).find((name) => name.endsWith('.deb'));
if (archive === undefined) fail(`apt-get brought no package.\n${UPLOAD}`);
call('dpkg-deb', ['-x', archive, 'unpacked'], work);
const unpacked = join(work, 'unpacked/usr/share/datasets/fashion-mnist');
if (!isWhole(unpacked)) fail(`The package's files are not those that were expected (SHA-256).\n${UPLOAD}`);
rmSync(target, { recursive: true, force: true });
renameSync(unpacked, target);
console.log(`Fashion-MNIST is in ${target}`);
