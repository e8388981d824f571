export { startTcpProxy } from './faults/tcp-proxy.ts';
export { startNatsCluster } from './nats-cluster.ts';
export { freePort, startNatsServer } from './nats-server.ts';
export { until } from './until.ts';
export type { ProxyDirection, TcpProxy, TcpProxyOptions } from './faults/tcp-proxy.ts';
export type { NatsCluster } from './nats-cluster.ts';
export type { NatsServer, NatsServerOptions } from './nats-server.ts';
