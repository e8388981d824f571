export { startNatsServer } from './nats-server.ts';
export { until } from './until.ts';
export type { NatsServer, NatsServerOptions } from './nats-server.ts';
