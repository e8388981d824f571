import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';

/** Name of the durable consumer of a work queue: everybody who takes from the queue takes through it. */
export const TAKERS = 'takers';
/** A task whose holder is silent for so long goes to another. */
export const ACK_WAIT_MS = 10_000;

/** Makes the consumer of a work-queue stream, unless it is there. */
export const ensureTakers = async (jsm: JetStreamManager, stream: string, filter: string): Promise<void> => {
  await jsm.consumers.add(stream, {
    durable_name: TAKERS,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    filter_subject: filter,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: -1,
    max_waiting: 16_384,
  });
};
