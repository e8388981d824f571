import type { CheckpointManifest, ComposeCheckpointRequest, JobPlan, ShardLedger } from '@downpour/contracts';
import { pushesInEpoch } from '@downpour/contracts';

/** The manifest of a checkpoint at that ledger, the same for every shard: whole epochs are closed. */
export function fakeManifest(
  { spec, dataset, topology, layout, chunks, shards, control }: JobPlan,
  { applied, examplesApplied }: ShardLedger,
  { jobId, checkpoint, why }: ComposeCheckpointRequest,
  at: string,
): CheckpointManifest {
  const epochs = applied / pushesInEpoch(chunks);
  const whole = Math.floor(epochs);
  const ledger = {
    closed: whole === 0 ? [] : [[0, whole] as [number, number]],
    open: [],
    duplicatesDropped: 0,
    lateDropped: 0,
    badDropped: 0,
    examplesDropped: 0,
    badPushes: [],
    examplesApplied,
  };
  return {
    format: 'downpour-checkpoint',
    v: 1,
    job: jobId,
    checkpoint,
    why,
    at,
    epoch: epochs,
    step: applied,
    exact: true,
    file: { name: 'model.safetensors', bytes: 4 * layout.length, sha256: 'ab' },
    spec,
    dataset,
    topology,
    layout,
    chunks,
    slots: [],
    ...(control && { learningRateFactor: control.learningRateFactor }),
    shards: shards.map(({ shard, ranges }) => ({ shard, ranges, version: applied, ledger })),
  };
}
