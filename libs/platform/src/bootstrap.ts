import 'reflect-metadata';
import type { Role } from '@downpour/contracts';
import { NestFactory } from '@nestjs/core';
import type { DynamicModule, Type } from '@nestjs/common';
import type { CustomStrategy } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { RequestListener } from 'node:http';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { z } from 'zod';
import { ConfigError, loadConfig } from './config.ts';
import type { ConfigSchema, ServiceConfig } from './config.ts';
import type { ServiceContext } from './context.ts';
import { HealthHttpServer } from './http-server.ts';
import { newInstanceId } from './instance-id.ts';
import { createLog, NestLog } from './log.ts';
import { PlatformModule } from './platform.module.ts';
import { exitOnSignals } from './process-exit.ts';
import { ReadinessRegistry } from './readiness.ts';
import { ShutdownHooks } from './shutdown.ts';

type FastifyOptions = NonNullable<ConstructorParameters<typeof FastifyAdapter>[0]>;

export interface ServiceDefinition<S extends ConfigSchema> {
  role: Role;
  /** serviceConfigSchema(role), extended. */
  config: S;
  /**
   * The application's root module. Health is served while it runs, so it may wait for NATS:
   * `async (context) => AppModule.forRoot(await connectNats(...))`.
   */
  module: (context: ServiceContext<z.output<S>>) => Type | DynamicModule | Promise<Type | DynamicModule>;
  /** The transport of message handlers; none: HTTP only. */
  strategy?: (app: NestFastifyApplication, context: ServiceContext<z.output<S>>) => CustomStrategy['strategy'];
  /** Last touches before routes are made: plugins, filters, OpenAPI. */
  configure?: (app: NestFastifyApplication, context: ServiceContext<z.output<S>>) => void | Promise<void>;
  /** Everything answers by now: the moment to join the others. */
  ready?: (context: ServiceContext<z.output<S>>, app: NestFastifyApplication) => void | Promise<void>;
  /** Of the Fastify instance: bodyLimit and the like. */
  fastify?: FastifyOptions;
  /** Default: the process's environment. */
  env?: Readonly<Record<string, string | undefined>>;
}

/** A service that is up; `stop` leaves as SIGTERM does but lets the process live (tests). */
export interface RunningService<Config> {
  context: ServiceContext<Config>;
  app: NestFastifyApplication;
  port: number;
  stop(): Promise<void>;
}

/** EX_CONFIG of sysexits.h: a supervisor need not try again. */
const EXIT_BAD_CONFIG = 78;
/** How often the lag of the event loop is looked at (and from where `nodejs_eventloop_lag_*` counts). Each look wakes the process: every 10 ms, prom-client's default, takes an idle service 4 ms of CPU a second. */
const LAG_EVERY_MS = 100;

/**
 * The main function of every app: configuration, logs, health, Nest, orderly exit. Resolves once requests are served; when
 * the start fails, it says why and the process exits.
 */
export const runService = async <S extends ConfigSchema>(definition: ServiceDefinition<S>): Promise<void> => {
  try {
    const context = createContext(definition);
    exitOnSignals(context);
    try {
      await startService(definition, context);
    } catch (error) {
      // A start that a signal interrupted fails by the way: its exit is under way already.
      if (!context.shutdown.begun) context.fail('The service could not start', error);
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${definition.role} cannot start: ${error.message}\n`);
    process.exit(EXIT_BAD_CONFIG);
  }
};

/** @throws ConfigError */
export const createContext = <S extends ConfigSchema>({
  role,
  config: schema,
  env,
}: ServiceDefinition<S>): ServiceContext<z.output<S>> & { config: ServiceConfig } => {
  const config = loadConfig(schema, env) as z.output<S> & ServiceConfig;
  const instance = newInstanceId(config.INSTANCE_NAME);
  const log = createLog({ level: config.LOG_LEVEL, format: config.LOG_FORMAT, role, instance });
  const shutdown = new ShutdownHooks();
  const metrics = new Registry();
  metrics.setDefaultLabels({ role, instance });
  collectDefaultMetrics({ register: metrics, eventLoopMonitoringPrecision: LAG_EVERY_MS });
  return {
    role,
    instance,
    startedAt: new Date().toISOString(),
    config,
    log,
    readiness: new ReadinessRegistry(),
    shutdown,
    metrics,
    fail: (reason, error) => {
      log.fatal({ err: error }, reason);
      process.exitCode = 1;
      if (!shutdown.begun) process.kill(process.pid, 'SIGTERM');
    },
  };
};

/** Starts a service in this process without touching signals. */
export const startService = async <S extends ConfigSchema>(
  definition: ServiceDefinition<S>,
  context: ServiceContext<z.output<S>> & { config: ServiceConfig } = createContext(definition),
): Promise<RunningService<z.output<S>>> => {
  const { config, log, readiness, shutdown, metrics } = context;
  let started = false;
  readiness.register('service', () => {
    if (shutdown.begun) return 'stopping';
    return started ? true : 'starting';
  });
  const http = new HealthHttpServer(readiness, metrics);
  const port = await http.listen(config.HTTP_HOST, config.HTTP_PORT);
  log.info({ host: config.HTTP_HOST, port }, `Listening on http://${config.HTTP_HOST}:${port}`);
  shutdown.register('stopIntake', 'http', () => http.stopIntake());
  shutdown.register('close', 'http', () => http.close(CLOSE_GRACE_MS));

  const module = await definition.module(context);
  let handle: RequestListener | undefined;
  const adapter = new FastifyAdapter({
    ...definition.fastify,
    // Fastify answers on the server that is listening already.
    serverFactory: (handler: RequestListener) => {
      handle = handler;
      return http.server;
    },
  } as FastifyOptions);
  const app = await NestFactory.create<NestFastifyApplication>(PlatformModule.forRoot(context, module), adapter, {
    logger: new NestLog(log),
    abortOnError: false,
  });
  shutdown.register('drain', 'nest', () => app.close());
  await definition.configure?.(app, context);
  const strategy = definition.strategy?.(app, context);
  if (strategy !== undefined) app.connectMicroservice({ strategy }, { inheritAppConfig: true });
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  await app.startAllMicroservices();
  if (handle !== undefined) http.serve(handle);
  await definition.ready?.(context, app);
  started = true;
  log.info({ port }, `The ${definition.role} is up`);

  const stop = async (): Promise<void> => {
    const { failed } = await shutdown.run(config.SHUTDOWN_TIMEOUT_MS);
    for (const { hook, error } of failed) log.error({ err: error }, `Stopping failed at ${hook}`);
  };
  return { context, app, port, stop };
};

/** Streams of events to browsers end by themselves at `stopIntake`; what is left then is cut. */
const CLOSE_GRACE_MS = 500;
