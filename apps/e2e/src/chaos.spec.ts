import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runChaos } from './chaos/chaos-run.ts';
import { brokenPromises, faultTable, jobTable } from './chaos/report.ts';
import { chaosSpec, EXAMPLES } from './chaos/ways.ts';

const SEED = 20_121_203;

/** A minute of what `npm run chaos` does for ten. */
describe('a cluster in which anybody may die', () => {
  const logFolder = mkdtempSync(path.join(tmpdir(), 'downpour-chaos-'));
  afterAll(() => rmSync(logFolder, { recursive: true, force: true }));

  it('trains MNIST as well as without, every push applied once, while all its processes and NATS are killed, frozen and cut off', async () => {
    const notes: string[] = [];
    const outcome = await runChaos(
      {
        seed: SEED,
        durationMs: 40_000,
        killsPerMinute: 13.5,
        othersPerMinute: 6,
        longestMs: 6000,
        workers: 2,
        shards: 2,
        sharders: 2,
        gateways: 2,
        spec: chaosSpec({ zoo: 'mlp' }, 2, 2),
        logFolder,
        onNote: (line) => notes.push(line),
      },
      AbortSignal.timeout(280_000),
    ).catch((error: unknown) => {
      throw new Error(notes.join('\n'), { cause: error });
    });
    const story = [...notes, faultTable(outcome.faults), jobTable(outcome.disturbed)].join('\n');
    expect(brokenPromises(outcome, EXAMPLES), story).toEqual([]);
    const killed = outcome.faults.filter(({ kind }) => kind === 'kill');
    // Everyone once: nats-server and eight services.
    expect(new Set(killed.map(({ target }) => target)).size, story).toBe(9);
  });
});
