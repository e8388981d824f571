import type {
  CheckpointManifest,
  ChunkPlan,
  JobOrigin,
  ParameterLayout,
  PlanOrigin,
  UpdateRuleSpec,
} from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import type { LedgerState } from '../ledger.ts';
import { commonLedger, doneChunks, solidEpochs, wholeEpochs } from './common-ledger.ts';
import { ledgerFromJson } from './ledger-json.ts';

/** The job that is to begin from a checkpoint. */
export interface Beginner {
  kind: JobOrigin['kind'];
  layout: ParameterLayout;
  chunks: ChunkPlan;
  rule: UpdateRuleSpec;
}

/**
 * Where a job begins that is begun from a checkpoint. Where its epochs are cut as the first job's were, every push that all shards had applied is
 * skipped; where they are not (another batch size, seed or data set), whole epochs are: what the first job had of later ones is trained again.
 * @throws DownpourError invalid-request when the model is another one, or no epoch remains.
 */
export const originOf = (manifest: CheckpointManifest, beginner: Beginner): PlanOrigin => {
  const { kind, layout, chunks, rule } = beginner;
  checkLayout(manifest, layout, kind);
  const from = { kind, job: manifest.job, checkpoint: manifest.checkpoint };
  if (kind === 'warmStart') return { ...from, epoch: 0, examples: 0, updateRuleState: 'fresh', done: [] };
  if (manifest.spec.strategy.kind === 'sandblaster')
    throw new DownpourError(
      'invalid-request',
      `Job ${manifest.job} was of strategy sandblaster, whose epochs are evaluations: take warmStartFrom`,
      { field: 'resumeFrom' },
    );
  const position = positionOf(
    manifest,
    chunks,
    manifest.shards.map(({ ledger }) => ledgerFromJson(ledger)),
  );
  const epoch = solidEpochs(position);
  if (epoch >= chunks.epochs)
    throw new DownpourError(
      'invalid-request',
      `Checkpoint ${manifest.checkpoint} of job ${manifest.job} has ${epoch} epochs: nothing remains of ${chunks.epochs}. ` +
        '`epochs` counts from the beginning of the first job: ask for more, or use warmStartFrom',
      { field: 'epochs' },
    );
  return {
    ...from,
    epoch,
    examples: position.examplesApplied,
    updateRuleState: rule.kind === manifest.spec.updateRule.kind ? 'kept' : 'fresh',
    ...(manifest.learningRateFactor !== undefined && { learningRateFactor: manifest.learningRateFactor }),
    done: doneChunks(chunks, position).map(({ epoch: of, bits }) => ({
      epoch: of,
      chunks: Buffer.from(bits).toString('base64'),
    })),
  };
};

/** What counts as settled by all of these old shards, in the new job's terms. */
export const positionOf = (
  manifest: CheckpointManifest,
  chunks: ChunkPlan,
  ledgers: readonly LedgerState[],
): LedgerState => {
  if (cutAlike(manifest.chunks, chunks)) return commonLedger(chunks, ledgers);
  // The same for every new shard, whichever old ones it had its values from: what is trained again is trained on all.
  const epochs = Math.min(chunks.epochs, ...manifest.shards.map(({ ledger }) => solidEpochs(ledger)));
  return wholeEpochs(chunks, epochs);
};

/** Every push of an epoch holds the same examples under both plans. */
const cutAlike = (a: ChunkPlan, b: ChunkPlan): boolean =>
  (['examples', 'chunkSize', 'batchSize', 'nPush', 'seed'] as const).every((field) => a[field] === b[field]);

/** @throws DownpourError invalid-request: names the first variable that differs. */
const checkLayout = (manifest: CheckpointManifest, layout: ParameterLayout, kind: JobOrigin['kind']): void => {
  const say = (what: string): DownpourError =>
    new DownpourError(
      'invalid-request',
      `Job ${manifest.job} has trained another model: ${what}. A job that begins from its checkpoint ${manifest.checkpoint} must have the same variables`,
      { field: kind === 'resume' ? 'resumeFrom' : 'warmStartFrom' },
    );
  const theirs = manifest.layout.variables;
  const ours = layout.variables;
  for (const [index, { name, shape, trainable, offset }] of ours.entries()) {
    const other = theirs[index];
    const here = `variable ${name} [${shape.join(', ')}]`;
    if (other === undefined) throw say(`it has no ${here}`);
    if (other.name !== name || other.shape.join() !== shape.join())
      throw say(`where this one has ${here}, it has ${other.name} [${other.shape.join(', ')}]`);
    if (other.trainable !== trainable || other.offset !== offset) throw say(`${here} is trained in only one of them`);
  }
  if (theirs.length > ours.length) throw say(`it has ${theirs.length} variables, this one has ${ours.length}`);
};
