import { freePort, startNatsServer } from './nats-server.ts';
import type { NatsServer, NatsServerOptions } from './nats-server.ts';

/** Servers of one NATS cluster. */
export interface NatsCluster {
  servers: NatsServer[];
  /** All of them, separated by commas. */
  url: string;
  stop(): Promise<void>;
}

/** Starts `size` servers that know each other, JetStream on each; streams may have as many replicas. */
export const startNatsCluster = async (size: number, options: NatsServerOptions = {}): Promise<NatsCluster> => {
  const routes = await Promise.all(Array.from({ length: size }, () => freePort()));
  const urls = routes.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  const servers = await Promise.all(
    routes.map((port, index) =>
      startNatsServer({
        ...options,
        extraConfig: [
          options.extraConfig ?? '',
          `server_name: "n${index}"`,
          `cluster { name: "test", listen: "127.0.0.1:${port}", routes: [${urls}] }`,
        ].join('\n'),
      }),
    ),
  );
  return {
    servers,
    url: servers.map(({ url }) => url).join(','),
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
};
