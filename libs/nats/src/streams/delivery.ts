/** What JetStream says of a delivered message, in its reply subject. */
export interface Delivery {
  /** How often it was delivered, this time included. */
  deliveries: number;
  streamSequence: number;
  /** Of the consumer: counts its deliveries. */
  deliverySequence: number;
  storedAtMs: number;
  pending: number;
}

/** Reads `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<sseq>.<dseq>.<ns>.<pending>[.<random>]`; null for anything else. */
export const deliveryOf = (reply: string): Delivery | null => {
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return null;
  const at = tokens.length === 9 ? 4 : tokens.length >= 11 ? 6 : -1;
  if (at < 0) return null;
  const [deliveries, streamSequence, deliverySequence, storedAt, pending] = tokens.slice(at, at + 5).map(Number);
  if (deliveries === undefined || streamSequence === undefined || deliverySequence === undefined) return null;
  return {
    deliveries,
    streamSequence,
    deliverySequence,
    storedAtMs: Math.floor((storedAt ?? 0) / 1e6),
    pending: pending ?? 0,
  };
};
