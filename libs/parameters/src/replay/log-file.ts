import type { JobPlan } from '@downpour/contracts';
import { controlSchema, jobPlanSchema, pushSchema } from '@downpour/contracts';
import { decodeFrame, encodeFrame, requireTensor } from '@downpour/tensor';
import type { OutgoingTensor, TensorFrame } from '@downpour/tensor';
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { LoggedControl, LoggedPush } from '../ports.ts';
import { isPush } from '../ports.ts';
import { shardIdentity } from '../shard-identity.ts';
import { encodeSnapshot, openSnapshot, sealSnapshot } from '../snapshot/snapshot.ts';
import type { ReplaySource } from './replay.ts';

/*
 * A recorded push log as a file: 'DPLOG1\n', then records, each a uint32 little-endian with its length and a frame (libs/tensor):
 *   plan             the job's plan
 *   shard            tensor `snapshot`: the shard before its first push
 *   push, ...        the shard's pushes in the order of the log; `control` where what follows is folded in another way
 *   shard, push ...  of the next shard
 *   end              how many pushes there are, and the SHA-256 of all bytes before this record
 */
const MAGIC = Buffer.from('DPLOG1\n');
const LENGTH_BYTES = 4;

type Header =
  | { type: 'plan'; v: 1; plan: JobPlan }
  | { type: 'shard'; v: 1; shard: number }
  | { type: 'push'; v: 1; shard: number; sequence: number; firstSequence: number; push: LoggedPush['header'] }
  | { type: 'control'; v: 1; shard: number; sequence: number; firstSequence: number; control: LoggedControl['header'] }
  | { type: 'end'; v: 1; pushes: number; sha256: string };

/** A file that cannot be replayed. */
export class LogFileError extends Error {
  override readonly name = 'LogFileError';
  constructor(file: string, reason: string) {
    super(`${file} is no recorded push log: ${reason}`);
  }
}

/** Writes a recorded log as a file, a push at a time. Returns how many pushes and bytes it has. */
export const writeLogFile = async (source: ReplaySource, file: string): Promise<{ pushes: number; bytes: number }> => {
  const handle = await open(file, 'w');
  const hash = createHash('sha256');
  let bytes = 0;
  const write = async (part: Uint8Array): Promise<void> => {
    hash.update(part);
    await handle.writeFile(part);
    bytes += part.byteLength;
  };
  const record = async (header: Header, tensors: Record<string, OutgoingTensor> = {}): Promise<void> => {
    const frame = encodeFrame(header, tensors);
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(frame.byteLength);
    await write(length);
    await write(frame);
  };
  let pushes = 0;
  try {
    await write(MAGIC);
    await record({ type: 'plan', v: 1, plan: source.plan });
    for (const { shard } of source.plan.shards) {
      const snapshot = await sealSnapshot(encodeSnapshot(await source.initial(shard), 0));
      await record(
        { type: 'shard', v: 1, shard },
        { snapshot: { dtype: 'uint8', shape: [snapshot.byteLength], data: snapshot } },
      );
      for await (const logged of source.records(shard)) {
        const place = { v: 1, shard, sequence: logged.sequence, firstSequence: logged.firstSequence } as const;
        if (!isPush(logged)) {
          await record({ type: 'control', ...place, control: logged.header });
          continue;
        }
        const { header: push, gradient, scales } = logged;
        await record({ type: 'push', ...place, push }, { gradient, ...(scales === undefined ? {} : { scales }) });
        pushes += 1;
      }
    }
    await record({ type: 'end', v: 1, pushes, sha256: hash.copy().digest('hex') });
  } finally {
    await handle.close();
  }
  return { pushes, bytes };
};

/** Opens a file for replays. Checks all of it: a file that is cut off or damaged is refused at once. @throws LogFileError */
export const openLogFile = async (file: string): Promise<ReplaySource> => {
  const { plan, places } = await checkFile(file);
  const place = (shard: number): number => {
    const at = places.get(shard);
    if (at === undefined) throw new LogFileError(file, `it has no shard ${shard}`);
    return at;
  };
  return {
    name: file,
    plan,
    initial: async (shard) => {
      for await (const { tensors } of recordsOf(file, place(shard))) {
        const { data } = requireTensor(tensors, 'snapshot');
        return (await openSnapshot(data, shardIdentity(plan, shard))).shard;
      }
      throw new LogFileError(file, 'it is cut off');
    },
    records: async function* (shard) {
      for await (const { header, tensors } of recordsOf(file, place(shard))) {
        if (header.type === 'shard' && header.shard === shard) continue;
        if (header.type !== 'push' && header.type !== 'control') return;
        const { sequence, firstSequence } = header;
        if (header.type === 'control') {
          yield { header: controlSchema.parse(header.control), sequence, firstSequence };
          continue;
        }
        const gradient = requireTensor(tensors, 'gradient');
        const scales = tensors['scales'];
        yield {
          header: pushSchema.parse(header.push),
          gradient,
          ...(scales === undefined ? {} : { scales }),
          sequence,
          firstSequence,
        };
      }
    },
  };
};

/** Reads a file once: its plan, where each shard begins, and that it is whole. */
const checkFile = async (file: string): Promise<{ plan: JobPlan; places: Map<number, number> }> => {
  const hash = createHash('sha256').update(MAGIC);
  const places = new Map<number, number>();
  let plan: JobPlan | null = null;
  let pushes = 0;
  for await (const { header, bytes, at } of recordsOf(file, MAGIC.byteLength)) {
    if (header.type === 'end') {
      if (plan === null) throw new LogFileError(file, 'it has no plan');
      if (header.pushes !== pushes || header.sha256 !== hash.digest('hex'))
        throw new LogFileError(file, 'it is damaged: its digest does not fit');
      return { plan, places };
    }
    hash.update(bytes);
    if (header.type === 'plan') plan = jobPlanSchema.parse(header.plan);
    else if (header.type === 'shard') places.set(header.shard, at);
    else pushes += 1;
  }
  throw new LogFileError(file, 'it is cut off');
};

async function* recordsOf(
  file: string,
  from: number,
): AsyncGenerator<TensorFrame<Header> & { bytes: Uint8Array; at: number }> {
  const handle = await open(file, 'r');
  try {
    const magic = await read(handle, 0, MAGIC.byteLength);
    if (magic === null || !MAGIC.equals(magic)) throw new LogFileError(file, 'it does not begin like one');
    for (let at = from; ;) {
      const prefix = await read(handle, at, LENGTH_BYTES);
      if (prefix === null) return;
      const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(0, true);
      const bytes = await read(handle, at, LENGTH_BYTES + length);
      if (bytes === null) throw new LogFileError(file, 'it is cut off');
      yield { ...decode(file, bytes.subarray(LENGTH_BYTES)), bytes, at };
      at += LENGTH_BYTES + length;
    }
  } finally {
    await handle.close();
  }
}

const decode = (file: string, bytes: Uint8Array): TensorFrame<Header> => {
  try {
    return decodeFrame(bytes) as TensorFrame<Header>;
  } catch (error) {
    throw new LogFileError(file, `it is damaged: ${(error as Error).message}`);
  }
};

/** Null: the file ends before. */
const read = async (handle: FileHandle, position: number, length: number): Promise<Uint8Array | null> => {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) return null;
    filled += bytesRead;
  }
  return bytes;
};
