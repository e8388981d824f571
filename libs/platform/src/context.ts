import type { Role } from '@downpour/contracts';
import type { Registry } from 'prom-client';
import type { Logger } from './log.ts';
import type { ReadinessRegistry } from './readiness.ts';
import type { ShutdownHooks } from './shutdown.ts';

/** What every service is given before its module exists. */
export interface ServiceContext<Config> {
  role: Role;
  /** Unique for each start of the process. */
  instance: string;
  /** ISO 8601. */
  startedAt: string;
  config: Config;
  log: Logger;
  readiness: ReadinessRegistry;
  shutdown: ShutdownHooks;
  /** Register metrics here (`new Counter({ registers: [metrics] })`): served at /metrics with the labels role and instance. */
  metrics: Registry;
  /** Logs the reason as fatal, then leaves as on SIGTERM, with exit code 1. */
  fail(reason: string, error?: unknown): void;
}

/** Tokens of what PlatformModule provides everywhere. */
export const SERVICE_CONTEXT = Symbol('SERVICE_CONTEXT');
export const SERVICE_CONFIG = Symbol('SERVICE_CONFIG');
export const INSTANCE = Symbol('INSTANCE');
export const LOG = Symbol('LOG');
export const READINESS = Symbol('READINESS');
export const SHUTDOWN = Symbol('SHUTDOWN');
export const METRICS = Symbol('METRICS');
