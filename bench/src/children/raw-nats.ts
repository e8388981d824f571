import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Moved, TrafficMode } from '../harness/wire-child.ts';
import { moved } from './traffic.ts';

/** What the system leaves of max_payload for headers (libs/nats). */
const HEADROOM_BYTES = 4096;

/** Cuts as the system does where max_payload forces it. */
function slices(nc: NatsConnection, bytes: number): Uint8Array[] {
  const most = nc.info!.max_payload - HEADROOM_BYTES;
  const all = new Uint8Array(bytes);
  return Array.from({ length: Math.ceil(bytes / most) }, (_, i) => all.subarray(i * most, (i + 1) * most));
}

/** One "shard" of plain NATS: answers requests with its part, and confirms a part that was published to it. */
export async function serveRaw(natsUrl: string, name: string, partBytes: number): Promise<void> {
  const nc = await connect({ servers: natsUrl, noAsyncTraces: true });
  const parts = slices(nc, partBytes);
  nc.subscribe(`bench.pull.${name}`, {
    callback: (_error, message) => {
      for (const part of parts) nc.publish(message.reply!, part);
    },
  });
  const received = new Map<string, number>();
  nc.subscribe(`bench.push.${name}`, {
    callback: (_error, { reply, data }) => {
      const bytes = (received.get(reply!) ?? 0) + data.byteLength;
      if (bytes < partBytes) received.set(reply!, bytes);
      else {
        received.delete(reply!);
        nc.publish(reply!);
      }
    },
  });
  await nc.flush();
}

/** One client of plain NATS that does what a worker does: a request to each "shard", a publish to each. */
export async function raw(
  natsUrl: string,
  names: readonly string[],
  partBytes: number,
  options: { mode: TrafficMode; windowMs: number },
): Promise<Moved> {
  const nc = await connect({ servers: natsUrl, noAsyncTraces: true });
  const parts = slices(nc, partBytes);
  const inbox = `bench.reply.${process.pid}.${serial++}`;
  const waiting = new Map<string, { left: number; resolve: () => void }>();
  nc.subscribe(`${inbox}.*`, {
    callback: (_error, { subject, data }) => {
      const one = waiting.get(subject);
      if (!one) return;
      one.left -= data.byteLength;
      if (one.left > 0) return;
      waiting.delete(subject);
      one.resolve();
    },
  });
  let token = 0;
  const exchange = (bytes: number, send: (reply: string) => void) =>
    new Promise<void>((resolve) => {
      const reply = `${inbox}.${token++}`;
      waiting.set(reply, { left: bytes, resolve });
      send(reply);
    });
  const pull = () =>
    Promise.all(
      names.map((name) =>
        exchange(partBytes, (reply) => nc.publish(`bench.pull.${name}`, new Uint8Array(0), { reply })),
      ),
    );
  const push = () =>
    Promise.all(
      names.map((name) =>
        exchange(0, (reply) => {
          for (const part of parts) nc.publish(`bench.push.${name}`, part, { reply });
        }),
      ),
    );
  try {
    return await moved(partBytes * names.length, options, pull, push);
  } finally {
    await nc.close();
  }
}
let serial = 0;
