import type { ShardEvent } from '@downpour/contracts';
import { expect, it } from 'vitest';
import { JobTracker } from './job-tracker.ts';

const event = (ownership: number, state: ShardEvent['state'], applied: number): ShardEvent => ({
  type: 'shard',
  at: '2026-11-25T10:00:00.000Z',
  shard: 0,
  instance: `s${ownership}`,
  ownership,
  version: applied,
  controlRevision: 0,
  state,
  reason: null,
  ledger: {
    shard: 0,
    instance: `s${ownership}`,
    expected: 200,
    applied,
    duplicatesDropped: 0,
    lateDropped: 0,
    badDropped: 0,
    examplesApplied: applied,
    examplesDropped: 0,
    badPushes: [],
    refused: 0,
  },
  complete: false,
  stalenessMean: 0,
  stalenessMax: 0,
  bytes: 0,
  bytesIn: 0,
  bytesOut: 0,
  epochsApplied: [],
});

it('counts what a new owner has once it serves, be it less, and not what it has while it loads', () => {
  const tracker = new JobTracker();
  const seen = [
    event(1, 'serving', 100),
    event(2, 'loading', 0),
    event(2, 'loading', 40),
    event(2, 'serving', 60),
    event(2, 'serving', 50),
    event(2, 'serving', 70),
  ].map((each, index) => {
    tracker.apply(each, index + 1, 0);
    return tracker.applied(1);
  });
  expect(seen).toEqual([100, 100, 100, 60, 60, 70]);
});
