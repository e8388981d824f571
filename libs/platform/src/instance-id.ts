import { randomInt } from 'node:crypto';

const SUFFIX_LENGTH = 6;

/** `<name>-<6 characters base 36>`: new at every start of a process, so that a restarted one is never taken for the old. */
export const newInstanceId = (name: string): string =>
  `${name}-${Array.from({ length: SUFFIX_LENGTH }, () => randomInt(36).toString(36)).join('')}`;
