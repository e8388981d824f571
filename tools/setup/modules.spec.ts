import { describe, expect, it } from 'vitest';
import { sameModules } from './modules.mjs';

const lock = (packages: Record<string, object>) => ({ packages });
const zod = { version: '4.6.7', integrity: 'sha512-a' };

describe('sameModules', () => {
  it('overlooks the optional packages of other platforms', () => {
    const wanted = lock({
      '': {},
      'node_modules/zod': zod,
      'node_modules/other': { version: '1.0.0', optional: true },
    });
    expect(sameModules(wanted, lock({ 'node_modules/zod': zod }))).toBe(true);
  });

  it.each([
    ['missing', {}],
    ['of another version', { 'node_modules/zod': { ...zod, version: '4.6.6' } }],
    ['of other content', { 'node_modules/zod': { ...zod, integrity: 'sha512-b' } }],
  ])('notices a package that is %s', (_, installed) => {
    expect(sameModules(lock({ 'node_modules/zod': zod }), lock(installed))).toBe(false);
  });
});
