import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const NATIVE = path.resolve(import.meta.dirname, '../../../.native');
const PACKAGES = ['safetensors==0.7.0', 'numpy>=1.26,<3'];

/** What Python's `safetensors` finds in a file. */
export interface ReadSafetensors {
  metadata: Record<string, string>;
  tensors: { name: string; dtype: string; shape: number[]; sha256: string }[];
}

const SCRIPT = `
import sys, json, hashlib
sys.path.insert(0, sys.argv[1])
from safetensors import safe_open
with safe_open(sys.argv[2], framework="np") as f:
    tensors = [(name, f.get_tensor(name)) for name in f.keys()]
    print(json.dumps({
        "metadata": f.metadata() or {},
        "tensors": [{"name": name, "dtype": str(t.dtype), "shape": list(t.shape),
                     "sha256": hashlib.sha256(t.tobytes()).hexdigest()} for name, t in tensors],
    }))
`;

/**
 * Reads a file with Python's `safetensors`, which is put into .native the first time.
 * @returns `missing`: why it cannot be done on this machine. Where there is a Python, anything else that fails throws.
 */
export async function readSafetensors(file: Uint8Array): Promise<ReadSafetensors | { missing: string }> {
  const version = await run('python3', ['-c', 'import sys, pip; print("%d.%d" % sys.version_info[:2])']).catch(
    () => null,
  );
  if (version === null) return { missing: 'this machine has no python3 with pip to read safetensors with' };
  const site = await installed(version.stdout.trim());
  const folder = mkdtempSync(path.join(os.tmpdir(), 'downpour-safetensors-'));
  try {
    const name = path.join(folder, 'model.safetensors');
    writeFileSync(name, file);
    const { stdout } = await run('python3', ['-c', SCRIPT, site, name], { maxBuffer: 2 ** 26 });
    return JSON.parse(stdout) as ReadSafetensors;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Folder of the packages for this version of Python. */
async function installed(version: string): Promise<string> {
  const site = path.join(NATIVE, `safetensors-python-${version}`);
  if (existsSync(site)) return site;
  // Beside it first: another test may do the same, and one that is stopped leaves nothing that looks whole.
  const folder = mkdtempSync(path.join(NATIVE, 'safetensors-'));
  const options = ['--only-binary=:all:', '--progress-bar', 'off', '--disable-pip-version-check'];
  await run('python3', ['-m', 'pip', 'install', ...options, '--target', folder, ...PACKAGES]);
  try {
    renameSync(folder, site);
  } catch (error) {
    rmSync(folder, { recursive: true });
    if (!existsSync(site)) throw error;
  }
  return site;
}
