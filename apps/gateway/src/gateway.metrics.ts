import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

/** What /metrics says besides Node's own figures; read when it is asked for. */
export function registerMetrics(
  registry: Registry,
  read: { coordinates: () => boolean; eventStreams: () => number },
): void {
  new Gauge({
    name: 'downpour_gateway_coordinates',
    help: '1 while this gateway hosts the coordinator of the jobs',
    registers: [registry],
    collect() {
      this.set(read.coordinates() ? 1 : 0);
    },
  });
  new Gauge({
    name: 'downpour_gateway_event_streams',
    help: 'Streams of job events that are open',
    registers: [registry],
    collect() {
      this.set(read.eventStreams());
    },
  });
}
