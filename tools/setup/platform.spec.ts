import { describe, expect, it } from 'vitest';
import { selectPlatform } from './platform.mjs';

describe('selectPlatform', () => {
  it('takes the TensorFlow build without GPU code on x86-64 Linux', () => {
    expect(selectPlatform('linux', 'x64', '2.36')).toMatchObject({ name: 'linux-x64', tensorflow: 'tensorflow-cpu' });
  });

  it.each([
    ['linux', 'arm64', '2.27', 'manylinux_2_27_aarch64'],
    ['darwin', 'arm64', undefined, 'macosx_12_0_arm64'],
  ])('takes the full TensorFlow wheel on %s %s', (os, arch, glibc, tag) => {
    const platform = selectPlatform(os, arch, glibc);
    expect(platform.tensorflow).toBe('tensorflow');
    expect(platform.wheelPlatforms).toContain(tag);
  });

  it.each([
    ['darwin', 'x64', undefined, /cannot run on darwin-x64/],
    ['win32', 'x64', undefined, /WSL 2/],
    ['linux', 'x64', undefined, /another C library/],
    ['linux', 'x64', '2.17', /this system has 2\.17/],
  ])('refuses %s %s with glibc %s and says what would do', (os, arch, glibc, message) => {
    expect(() => selectPlatform(os, arch, glibc)).toThrow(message);
  });
});
