import type { LoggerService } from '@nestjs/common';
import { pino } from 'pino';
import type { Logger } from 'pino';
import pretty from 'pino-pretty';

export type { Logger } from 'pino';

export interface LogOptions {
  level: string;
  format: 'json' | 'pretty';
  /** On every line. */
  instance: string;
  role: string;
}

/** The process's one logger. It writes synchronously: a process that dies has said why. */
export const createLog = ({ level, format, instance, role }: LogOptions): Logger =>
  pino(
    { level, base: { role, instance }, timestamp: pino.stdTimeFunctions.isoTime },
    format === 'pretty'
      ? pretty({
          sync: true,
          singleLine: true,
          ignore: 'pid,hostname,role,instance,context',
          messageFormat: '{instance}: {msg}',
          translateTime: 'SYS:HH:MM:ss.l',
        })
      : pino.destination({ dest: 1, sync: true }),
  );

/** Nest tells at length which routes and modules it has set up: that is worth a debug line, not an info line. */
const CHATTY = new Set([
  'InstanceLoader',
  'NestApplication',
  'NestFactory',
  'NestMicroservice',
  'RouterExplorer',
  'RoutesResolver',
]);

/** Nest's messages in the process's log. */
export class NestLog implements LoggerService {
  readonly #log: Logger;
  constructor(log: Logger) {
    this.#log = log;
  }
  log(message: unknown, ...rest: unknown[]): void {
    const context = contextOf(rest);
    this.#write(context !== undefined && CHATTY.has(context) ? 'debug' : 'info', message, rest);
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.#write('error', message, rest);
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.#write('warn', message, rest);
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.#write('debug', message, rest);
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.#write('trace', message, rest);
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.#write('fatal', message, rest);
  }

  #write(level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', message: unknown, rest: unknown[]): void {
    const context = contextOf(rest);
    const fields: Record<string, unknown> = context === undefined ? {} : { context };
    if (message instanceof Error) {
      this.#log[level]({ ...fields, err: message }, message.message);
      return;
    }
    // Nest hands the stack of an error over as the first of the other parameters.
    if (rest.length > 1 && typeof rest[0] === 'string') fields['stack'] = rest[0];
    if (typeof message === 'object' && message !== null) this.#log[level]({ ...fields, ...message });
    else this.#log[level](fields, String(message));
  }
}

const contextOf = (rest: unknown[]): string | undefined => {
  const last = rest.at(-1);
  return typeof last === 'string' ? last : undefined;
};
