import type { Member } from '@downpour/contracts';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import type { ServiceContext } from './context.ts';

/** All packages of the project have one version. */
const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

/** What a process says of itself when it joins. */
export const memberOf = (
  { role, instance, startedAt }: Pick<ServiceContext<unknown>, 'role' | 'instance' | 'startedAt'>,
  details: Member['details'] = {},
): Member => ({ role, instance, host: hostname(), pid: process.pid, startedAt, version, draining: false, details });
