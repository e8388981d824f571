import type { Logger, ServiceConfig, ServiceContext } from '@downpour/platform';
import { ensureInfrastructure } from '../infrastructure.ts';
import { registerRefusals } from '../refusals/refusal-metric.ts';
import { NatsLink } from './nats-link.ts';
import { pause } from './pause.ts';
import { connectOverSlabs } from './slab-transport.ts';

export interface ConnectOptions {
  /** One server, or several of one cluster separated by commas. */
  servers: string;
  user?: string | undefined;
  password?: string | undefined;
  token?: string | undefined;
  /** Seen in the server's list of connections. */
  name?: string;
  log?: Logger;
  /** Ends the waiting. */
  signal?: AbortSignal;
}

const RETRY_MS = 500;
const DIAL_TIMEOUT_MS = 5000;
const TELL_EVERY_MS = 5000;
/** A server that does not answer two pings is given up after 20 s. */
const PING_INTERVAL_MS = 10_000;

/** Connects, waiting for NATS as long as it takes. @throws the signal's reason */
export const connectNats = async (options: ConnectOptions): Promise<NatsLink> => {
  const servers = options.servers.split(',').map((server) => server.trim());
  let told = -Infinity;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const nc = await connectOverSlabs({
        servers,
        ...(options.user === undefined ? {} : { user: options.user }),
        ...(options.password === undefined ? {} : { pass: options.password }),
        ...(options.token === undefined ? {} : { token: options.token }),
        name: options.name ?? 'downpour',
        timeout: DIAL_TIMEOUT_MS,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 250,
        reconnectJitter: 250,
        // A password may be put right while we wait.
        ignoreAuthErrorAbort: true,
        pingInterval: PING_INTERVAL_MS,
        noAsyncTraces: true,
      });
      return new NatsLink(nc);
    } catch (error) {
      if (Date.now() - told >= TELL_EVERY_MS) {
        told = Date.now();
        const shown = servers.map((server) => server.replace(/\/\/[^/@]*@/, '//')).join(', ');
        options.log?.warn(
          { reason: error instanceof Error ? error.message : String(error) },
          `waiting for NATS at ${shown}`,
        );
      }
      await pause(RETRY_MS, options.signal);
    }
  }
};

/**
 * The connection of a service: waits for NATS and JetStream, makes streams and buckets, tells /readyz of it, logs when it is lost
 * and found, and is drained when the process leaves.
 */
export const connectService = async (context: ServiceContext<ServiceConfig>): Promise<NatsLink> => {
  const { config, log, readiness, shutdown, instance } = context;
  readiness.register('nats', () => `waiting for NATS at ${config.NATS_URL.replace(/\/\/[^/@]*@/g, '//')}`);
  const giveUp = new AbortController();
  const forget = shutdown.register('stopIntake', 'nats', () => giveUp.abort(new Error('The service is stopping')));
  const link = await connectNats({
    servers: config.NATS_URL,
    user: config.NATS_USER,
    password: config.NATS_PASSWORD,
    token: config.NATS_TOKEN,
    name: instance,
    log,
    signal: giveUp.signal,
  });
  registerRefusals(context.metrics, link.refusals);
  shutdown.register('close', 'nats', () => link.close());
  readiness.register('nats', () => (link.connected ? true : 'not connected to NATS'));
  link.onStatus((status) => {
    if (status === 'disconnected') log.warn('Lost the connection to NATS; connecting again');
    if (status === 'connected') log.info(`Connected to NATS at ${link.serverInfo().server} again`);
  });
  const { server, version, maxPayloadBytes } = link.serverInfo();
  log.info({ version, maxPayloadBytes }, `Connected to NATS at ${server}`);
  await ensureInfrastructure(link, { log, signal: giveUp.signal });
  forget();
  return link;
};
