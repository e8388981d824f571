export { createContext, runService, startService } from './bootstrap.ts';
export { ConfigError, describeVariables, loadConfig, serviceConfigSchema } from './config.ts';
export { INSTANCE, LOG, METRICS, READINESS, SERVICE_CONFIG, SERVICE_CONTEXT, SHUTDOWN } from './context.ts';
export { envBoolean, envBytes, envChoice, envDurationMs, envInteger, envNatsServers, envText } from './env-values.ts';
export { newInstanceId } from './instance-id.ts';
export { createLog } from './log.ts';
export { memberOf } from './member.ts';
export { ReadinessRegistry } from './readiness.ts';
export { SHUTDOWN_PHASES, ShutdownHooks } from './shutdown.ts';

export type { RunningService, ServiceDefinition } from './bootstrap.ts';
export type { ConfigSchema, ServiceConfig, VariableDescription } from './config.ts';
export type { ServiceContext } from './context.ts';
export type { Logger, LogOptions } from './log.ts';
export type { ReadinessCheck, ReadinessReport } from './readiness.ts';
export type { ShutdownOutcome, ShutdownPhase } from './shutdown.ts';
