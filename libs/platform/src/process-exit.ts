import type { ServiceConfig } from './config.ts';
import type { ServiceContext } from './context.ts';

/** What is used of `process`: tests bring their own. */
export type ExitingProcess = Pick<NodeJS.Process, 'on' | 'exit' | 'exitCode'>;

const SAME_WISH_MS = 1000;

/**
 * SIGTERM and SIGINT run the shutdown hooks, then the process exits: 0, or 1 when hooks were not done in time or the service
 * failed before. A second signal exits at once (128 + signal), unless it comes so soon that it is the same wish twice: Ctrl-C reaches
 * the whole process group, and a launcher then asks its children as well. A rejection or exception that nobody caught is logged and fatal: going
 * on with unknown state could break a promise about pushes.
 */
export const exitOnSignals = (
  context: ServiceContext<unknown> & { config: ServiceConfig },
  self: ExitingProcess = process,
): void => {
  const { log, shutdown, config } = context;
  let firstSignalAt = Number.POSITIVE_INFINITY;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (shutdown.begun) {
      if (performance.now() - firstSignalAt < SAME_WISH_MS) return;
      log.warn(`${signal} again: exiting at once`);
      self.exit(signal === 'SIGINT' ? 130 : 143);
    }
    firstSignalAt = performance.now();
    log.info(`${signal}: stopping, at most ${config.SHUTDOWN_TIMEOUT_MS} ms`);
    void shutdown.run(config.SHUTDOWN_TIMEOUT_MS).then(({ failed, unfinished }) => {
      for (const { hook, error } of failed) log.error({ err: error }, `Stopping failed at ${hook}`);
      if (unfinished.length > 0) {
        log.error({ unfinished }, `Not done within ${config.SHUTDOWN_TIMEOUT_MS} ms: ${unfinished.join(', ')}`);
        self.exit(1);
        return;
      }
      log.info('Stopped');
      self.exit(self.exitCode ?? 0);
    });
  };
  self.on('SIGTERM', onSignal);
  self.on('SIGINT', onSignal);
  const onFatal =
    (kind: string) =>
    (error: unknown): void => {
      log.fatal({ err: error }, `${kind}: exiting`);
      self.exit(1);
    };
  self.on('unhandledRejection', onFatal('Unhandled rejection'));
  self.on('uncaughtException', onFatal('Uncaught exception'));
};
