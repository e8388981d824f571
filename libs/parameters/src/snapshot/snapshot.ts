import type { ShardControl } from '@downpour/contracts';
import { decodeFrame, encodeFrame } from '@downpour/tensor';
import type { OutgoingTensor, Tensor } from '@downpour/tensor';
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PAGE_BYTES } from '../index-set.ts';
import type { LedgerState } from '../ledger.ts';
import type { ShardState } from '../parameter-shard.ts';
import { ParameterShard } from '../parameter-shard.ts';
import type { ShardIdentity } from '../shard-identity.ts';
import type { StalenessState } from '../staleness.ts';
import { SnapshotError } from './snapshot-error.ts';

/*
 * A snapshot is a frame (libs/tensor): header, and tensors `parameters`, `slot0`, ..., `epochs` (the ledger's open pages, one after the other), and last
 * `digest`: SHA-256 of every byte before it. So a file that is cut off, half written or flipped is never taken for a state, and the state is
 * copied once.
 */
export const DIGEST_BYTES = 32;
/** What is hashed before the thread is let go: about a millisecond. */
const HASH_RUN_BYTES = 2 ** 20;

/** Without its pages: these are in the tensor. */
type OpenEpochHeader = Omit<LedgerState['open'][number], 'open'> & { pages: number[] };

interface SnapshotHeader {
  type: 'snapshot';
  v: 1;
  identity: ShardIdentity;
  /** Replay begins after this log position. */
  position: number;
  version: number;
  logSequence: number;
  refused: number;
  control: ShardControl;
  held: number[];
  ledger: Omit<LedgerState, 'open'> & { open: OpenEpochHeader[] };
  staleness: StalenessState;
}

/**
 * Copies a shard's state as it is now; synchronous, so it is one version. `position` is where a replay must begin: PushLog's `safePosition()`. Call
 * `sealSnapshot` before it is stored.
 */
export const encodeSnapshot = (shard: ParameterShard, position: number): Uint8Array => {
  const { parameters, slots, ledger, ...rest } = shard.capture();
  const header: SnapshotHeader = {
    type: 'snapshot',
    v: 1,
    identity: shard.identity,
    position,
    ...rest,
    ledger: {
      ...ledger,
      open: ledger.open.map(({ epoch, full, open }) => ({ epoch, full, pages: open.map(({ page }) => page) })),
    },
  };
  const tensors: Record<string, OutgoingTensor> = { parameters: floats(parameters) };
  for (const [index, slot] of slots.entries()) tensors[`slot${index}`] = floats(slot);
  const pages = ledger.open.flatMap(({ open }) => open.map(({ bits }) => bits));
  tensors['epochs'] = { dtype: 'uint8', shape: [pages.length * PAGE_BYTES], data: pages };
  tensors['digest'] = { dtype: 'uint8', shape: [DIGEST_BYTES], data: new Uint8Array(DIGEST_BYTES) };
  return encodeFrame(header, tensors);
};

/** Writes the digest, a run at a time, so that pulls are answered meanwhile. */
export const sealSnapshot = async (bytes: Uint8Array): Promise<Uint8Array> => {
  bytes.set(await digestOf(bytes), bytes.byteLength - DIGEST_BYTES);
  return bytes;
};

/**
 * A shard as the snapshot has it, and the log position after which a replay must begin.
 * @throws SnapshotError when it is not whole, or not of this shard.
 */
export const openSnapshot = async (
  bytes: Uint8Array,
  identity: ShardIdentity,
): Promise<{ shard: ParameterShard; position: number }> => {
  const { header, tensors } = decodeFrame(await unsealedSnapshot(bytes));
  const { type, v, position, ledger, ...rest } = header as SnapshotHeader;
  if (type !== 'snapshot' || v !== 1) throw new SnapshotError('it was written by another version of this program');
  const different = differingField(rest.identity, identity);
  if (different !== null) throw new SnapshotError(`it is of another shard or job: ${different} differs`);
  try {
    const slots: Float32Array[] = [];
    for (let slot; (slot = tensors[`slot${slots.length}`]) !== undefined;) slots.push(valuesOf(slot));
    const state: ShardState = {
      ...rest,
      parameters: valuesOf(tensors['parameters']!),
      slots,
      ledger: { ...ledger, open: openEpochs(ledger.open, tensors['epochs']!.data) },
    };
    return { shard: ParameterShard.restore(identity, state), position };
  } catch (cause) {
    throw new SnapshotError('its parts contradict each other', { cause });
  }
};

/** The same bytes, whose digest fits. @throws SnapshotError when it does not */
export const unsealedSnapshot = async (bytes: Uint8Array): Promise<Uint8Array> => {
  if (bytes.byteLength <= DIGEST_BYTES) throw new SnapshotError('it ends before it begins');
  if (!(await digestOf(bytes)).equals(bytes.subarray(-DIGEST_BYTES)))
    throw new SnapshotError('its digest does not fit: it is damaged or was not written to its end');
  return bytes;
};

const digestOf = async (bytes: Uint8Array): Promise<Buffer> => {
  const hash = createHash('sha256');
  const end = bytes.byteLength - DIGEST_BYTES;
  for (let at = 0; at < end; at += HASH_RUN_BYTES) {
    hash.update(bytes.subarray(at, Math.min(at + HASH_RUN_BYTES, end)));
    await nextTurn();
  }
  return hash.digest();
};

const floats = (values: Float32Array): OutgoingTensor => ({ dtype: 'float32', shape: [values.length], data: values });

/** Stored bytes may lie anywhere in a larger buffer. */
export const valuesOf = ({ data }: Tensor): Float32Array => {
  const bytes = data.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0 ? data : data.slice();
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Float32Array.BYTES_PER_ELEMENT);
};

const openEpochs = (epochs: readonly OpenEpochHeader[], bitmaps: Uint8Array): LedgerState['open'] => {
  let at = 0;
  return epochs.map(({ epoch, full, pages }) => ({
    epoch,
    full,
    open: pages.map((page) => ({ page, bits: bitmaps.subarray(at, (at += PAGE_BYTES)) })),
  }));
};

/** Name of the first field in which two identities differ; the order of keys does not matter. */
export const differingField = (a: ShardIdentity, b: ShardIdentity): string | null => {
  const canonical = (value: unknown): string =>
    JSON.stringify(value, (_key, part: unknown) =>
      typeof part === 'object' && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([x], [y]) => (x < y ? -1 : 1)))
        : part,
    );
  for (const field of Object.keys(b) as (keyof ShardIdentity)[])
    if (canonical(a[field]) !== canonical(b[field])) return field;
  return null;
};
