import { decodeFrame, encodeFrame } from '@downpour/tensor';
import type { OutgoingTensor } from '@downpour/tensor';
import { ledgerFromJson, ledgerToJson } from '../checkpoint/ledger-json.ts';
import type { ShardIdentity } from '../shard-identity.ts';
import { SnapshotError } from '../snapshot/snapshot-error.ts';
import { DIGEST_BYTES, differingField, unsealedSnapshot, valuesOf } from '../snapshot/snapshot.ts';
import type { StoredIteration } from './batch-shard.ts';

interface IterationHeader extends Omit<StoredIteration, 'vectors' | 'ledger'> {
  type: 'iteration';
  v: 1;
  identity: ShardIdentity;
  ledger: ReturnType<typeof ledgerToJson>;
}

const VECTOR = 'vector/';

/** An iteration of one shard as a file, as it is now; `sealSnapshot` before it is stored. */
export const encodeIteration = (identity: ShardIdentity, { vectors, ledger, ...rest }: StoredIteration): Uint8Array => {
  const header: IterationHeader = { type: 'iteration', v: 1, identity, ...rest, ledger: ledgerToJson(ledger) };
  const tensors: Record<string, OutgoingTensor> = {};
  for (const [name, data] of vectors) tensors[VECTOR + name] = { dtype: 'float32', shape: [data.length], data };
  tensors['digest'] = { dtype: 'uint8', shape: [DIGEST_BYTES], data: new Uint8Array(DIGEST_BYTES) };
  return encodeFrame(header, tensors);
};

/** @throws SnapshotError when it is not whole, or of another shard */
export const openIteration = async (bytes: Uint8Array, identity: ShardIdentity): Promise<StoredIteration> => {
  const { header, tensors } = decodeFrame(await unsealedSnapshot(bytes));
  const { type, v, identity: other, ledger, ...rest } = header as IterationHeader;
  if (type !== 'iteration' || v !== 1) throw new SnapshotError('it was written by another version of this program');
  const different = differingField(other, identity);
  if (different !== null) throw new SnapshotError(`it is of another shard or job: ${different} differs`);
  const vectors = new Map(
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(VECTOR))
      .map(([name, tensor]) => [name.slice(VECTOR.length), valuesOf(tensor)]),
  );
  const { iteration, state, version } = rest;
  return { iteration, state, version, ledger: ledgerFromJson(ledger), vectors };
};
