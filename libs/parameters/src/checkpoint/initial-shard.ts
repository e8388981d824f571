import type { CheckpointManifest, KeyRange, ParameterLayout, PlanOrigin } from '@downpour/contracts';
import { decodeSafetensorsHeader, safetensorsHeaderBytes } from '@downpour/tensor';
import type { SafetensorsHeader } from '@downpour/tensor';
import { ParameterShard } from '../parameter-shard.ts';
import type { ShardIdentity } from '../shard-identity.ts';
import { updateRuleOf } from '../update-rules/rules.ts';
import { checkpointHeader, filePosition } from './checkpoint-file.ts';
import { ledgerFromJson } from './ledger-json.ts';
import { positionOf } from './origin.ts';

/** Bytes of a file that go to some place in memory. */
interface Wanted {
  begin: number;
  end: number;
  into: Uint8Array;
}

/**
 * A shard at the beginning of a job that begins from a checkpoint, of however many shards that had: reads the file once and keeps what is the
 * shard's own.
 * @param file bytes of model.safetensors as they come; the stream fails when they do not match their digest
 * @throws RangeError when the file is not the manifest's
 */
export const initialFromCheckpoint = async (
  identity: ShardIdentity,
  origin: PlanOrigin,
  manifest: CheckpointManifest,
  file: AsyncIterable<Uint8Array>,
): Promise<ParameterShard> => {
  const { layout } = manifest;
  const slots = updateRuleOf(identity.rule).slots(identity.rule);
  const parameters = new Float32Array(identity.length);
  const slotVectors = slots.map(({ initial }) => new Float32Array(identity.trainableLength).fill(initial));
  const vectors = [{ vector: 0, values: parameters }];
  if (origin.updateRuleState === 'kept')
    for (const [index, { name }] of slots.entries()) {
      // A rule may remember more or less by its options: what the file lacks starts afresh.
      const vector = manifest.slots.indexOf(name) + 1;
      if (vector > 0) vectors.push({ vector, values: slotVectors[index]! });
    }
  await readWanted(file, (header) => {
    checkFile(header, layout, manifest);
    return vectors.flatMap(({ vector, values }) => wanted(header.dataBegin, layout, identity.ranges, vector, values));
  });
  return ParameterShard.restore(identity, {
    version: origin.updateRuleState === 'kept' ? versionOf(manifest, identity.ranges) : 0,
    logSequence: 0,
    refused: 0,
    parameters,
    slots: slotVectors,
    ...(origin.kind === 'warmStart' ? {} : { ledger: ledgerOf(identity, manifest) }),
  });
};

/**
 * What a shard begins with: reads the job's initial parameters once and keeps the shard's own.
 * @param file float32 [jobLength], little-endian, its bytes as they come
 * @returns float32 [length of the shard]
 * @throws RangeError when they are not as many as the plan says
 */
export const ownOfVector = async (
  { ranges, length, jobLength }: Pick<ShardIdentity, 'ranges' | 'length' | 'jobLength'>,
  file: AsyncIterable<Uint8Array>,
): Promise<Float32Array> => {
  const values = new Float32Array(length);
  const runs: Wanted[] = [];
  let own = 0;
  for (const { begin, end } of ranges) {
    const into = values.subarray(own, (own += end - begin));
    const bytes = Float32Array.BYTES_PER_ELEMENT;
    runs.push({
      begin: bytes * begin,
      end: bytes * end,
      into: new Uint8Array(into.buffer, into.byteOffset, into.byteLength),
    });
  }
  let at = 0;
  for await (const chunk of file) at = takeOf(chunk, at, runs);
  const found = Math.floor(at / Float32Array.BYTES_PER_ELEMENT);
  if (found !== jobLength) throw new RangeError(`There are ${found} initial parameters; the job has ${jobLength}`);
  return values;
};

/** The old shards that held some of these values. */
const oldShards = (manifest: CheckpointManifest, ranges: readonly KeyRange[]): CheckpointManifest['shards'] =>
  manifest.shards.filter((old) =>
    old.ranges.some((theirs) => ranges.some(({ begin, end }) => begin < theirs.end && theirs.begin < end)),
  );

/** The update rule's clock (Adam corrects by it) goes on from the shard that was furthest. */
const versionOf = (manifest: CheckpointManifest, ranges: readonly KeyRange[]): number =>
  Math.max(0, ...oldShards(manifest, ranges).map(({ version }) => version));

const ledgerOf = ({ chunks, ranges }: ShardIdentity, manifest: CheckpointManifest) =>
  positionOf(
    manifest,
    chunks,
    oldShards(manifest, ranges).map(({ ledger }) => ledgerFromJson(ledger)),
  );

const checkFile = (header: SafetensorsHeader, layout: ParameterLayout, manifest: CheckpointManifest): void => {
  const expected = checkpointHeader(layout, manifest.slots, {}).header.tensors;
  const names = (tensors: SafetensorsHeader['tensors']): string =>
    JSON.stringify(tensors.map(({ name, shape, dtype }) => [name, shape, dtype]));
  if (header.bytes !== manifest.file.bytes || names(header.tensors) !== names(expected))
    throw new RangeError(
      `Checkpoint ${manifest.checkpoint} of job ${manifest.job} holds other tensors than its manifest says`,
    );
};

/** The shard's ranges of one vector: slots have no more than the trainable part. */
const wanted = (
  dataBegin: number,
  layout: ParameterLayout,
  ranges: readonly KeyRange[],
  vector: number,
  values: Float32Array,
): Wanted[] => {
  const runs: Wanted[] = [];
  let own = 0;
  for (const { begin, end } of ranges) {
    const last = vector === 0 ? end : Math.min(end, layout.trainableLength);
    if (begin >= last) break;
    const part = values.subarray(own, own + last - begin);
    runs.push({
      begin: filePosition(dataBegin, layout, vector, begin),
      end: filePosition(dataBegin, layout, vector, last),
      into: new Uint8Array(part.buffer, part.byteOffset, part.byteLength),
    });
    own += last - begin;
  }
  return runs;
};

/** Reads a file to its end, holding no more of it than its header and the chunk that came last. */
const readWanted = async (
  file: AsyncIterable<Uint8Array>,
  choose: (header: SafetensorsHeader) => Wanted[],
): Promise<void> => {
  let head: Uint8Array | null = new Uint8Array(0);
  let runs: Wanted[] = [];
  let at = 0;
  for await (const chunk of file) {
    let rest = chunk;
    if (head !== null) {
      head = Buffer.concat([head, chunk]);
      if (head.byteLength < 8 || head.byteLength < safetensorsHeaderBytes(head)) continue;
      const header = decodeSafetensorsHeader(head);
      runs = choose(header).sort((a, b) => a.begin - b.begin);
      rest = head.subarray(header.dataBegin);
      at = header.dataBegin;
      head = null;
    }
    at = takeOf(rest, at, runs);
  }
  if (head !== null || runs.length > 0) throw new RangeError('The checkpoint ends too early');
};

/** Takes what is wanted of the bytes at a place of a file, and forgets runs that are whole (`runs` are sorted). Answers where the next bytes are. */
const takeOf = (bytes: Uint8Array, at: number, runs: Wanted[]): number => {
  const next = at + bytes.byteLength;
  for (const { begin, end, into } of runs) {
    if (begin >= next) break;
    const from = Math.max(begin, at);
    const to = Math.min(end, next);
    if (from < to) into.set(bytes.subarray(from - at, to - at), from - begin);
  }
  while (runs.length > 0 && runs[0]!.end <= next) runs.shift();
  return next;
};
