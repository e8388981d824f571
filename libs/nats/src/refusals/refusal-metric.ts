import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Refusals } from './refusals.ts';

/** Shows refusals at /metrics. */
export const registerRefusals = (registry: Registry, refusals: Refusals): void => {
  new Counter({
    name: 'downpour_messages_refused_total',
    help: 'Messages that were not taken, by where they came (subject, stream or bucket) and why',
    labelNames: ['source', 'reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { source, reason, count } of refusals.list()) this.inc({ source, reason }, count);
    },
  });
};
