import type { Evaluation, JobSpecInput, Patience } from '@downpour/contracts';
import { jobSpecSchema } from '@downpour/contracts';
import { describe, expect, it } from 'vitest';
import { earlyStoppingAfter, isToStop } from './early-stopping.ts';
import { Fixture } from './testing/fixture.ts';
import { evaluation } from './testing/evaluation.ts';

const specOf = (part: Partial<JobSpecInput>) =>
  jobSpecSchema.parse({ model: { zoo: 'mlp' }, dataset: 'mnist', ...part });
/** Number of the evaluation that stops it, from 1; null: none does. */
function stopsAt(earlyStopping: JobSpecInput['earlyStopping'], evaluations: Evaluation[]): number | null {
  const spec = specOf({ earlyStopping, metrics: ['recall', 'meanSquaredError'] });
  let state: Patience | null = null;
  for (const [i, one] of evaluations.entries()) {
    state = earlyStoppingAfter(spec, state, [one]);
    if (state!.waited >= spec.earlyStopping!.patience) return i + 1;
  }
  return null;
}
const losses = (...values: number[]) => values.map((loss) => evaluation({ loss }));

describe('early stopping', () => {
  it.each([
    // The first sets the best; as EarlyStopping of Keras.
    { patience: 1, values: [1, 1], stop: 2 },
    { patience: 1, values: [3, 2, 1], stop: null },
    { patience: 2, values: [1, 2, 0.9, 2, 1, 1], stop: 5 },
    { patience: 3, values: [1, 2, 2], stop: null },
    { patience: 2, minDelta: 0.1, values: [1, 0.95, 0.9], stop: 3 },
    { patience: 2, minDelta: 0.1, values: [1, 0.95, 0.8, 0.75, 0.71], stop: 5 },
  ])('with patience $patience and losses $values stops at $stop', ({ values, stop, ...spec }) => {
    expect(stopsAt(spec, losses(...values))).toBe(stop);
  });

  it('waits for a share to rise and for an error to fall, and not for what is not told', () => {
    const recalls = [0.5, 0.6, 0.6, 0.7, 0.6, 0.6].map((recall) => evaluation({ metrics: { recall } }));
    expect(stopsAt({ metric: 'recall', patience: 2 }, recalls)).toBe(6);
    const errors = [3, 2, 2, 3].map((meanSquaredError) => evaluation({ metrics: { meanSquaredError } }));
    expect(stopsAt({ metric: 'meanSquaredError', patience: 2 }, errors)).toBe(4);
    expect(stopsAt({ metric: 'accuracy', patience: 1 }, losses(1, 1, 1))).toBeNull();
  });

  it('comes to the same whether evaluations come one at a time or several at once, and is not taken back', () => {
    const spec = specOf({ earlyStopping: { patience: 2 } });
    const all = losses(1, 2, 2, 0.5);
    expect(earlyStoppingAfter(spec, null, all)).toEqual({ best: 1, waited: 2 });
    const first = earlyStoppingAfter(spec, null, all.slice(0, 2));
    expect(earlyStoppingAfter(spec, first, all.slice(2))).toEqual({ best: 1, waited: 2 });
    expect(earlyStoppingAfter(specOf({}), null, all)).toBeNull();
  });

  it('stops nothing where it is not asked for', () => {
    expect(isToStop({ spec: specOf({}), evaluations: losses(1, 1, 1, 1) })).toBe(false);
  });
});

describe('A job with early stopping', () => {
  it('ends once its metric has not improved for so long, also under another coordinator, and its books close', async () => {
    const fixture = await Fixture.withMembers();
    const earlyStopping = { metric: 'recall', patience: 2 } as const;
    await fixture.submit('job', { epochs: 50, metrics: ['recall'], earlyStopping });
    await fixture.tick();
    const recalls = [0.5, 0.7, 0.6, 0.7];
    for (const [i, recall] of recalls.entries()) {
      expect((await fixture.job('job')).state).toBe('training');
      if (i === 3) await fixture.replaceCoordinator();
      fixture.cluster.work('job', 10);
      fixture.cluster.report('job');
      await fixture.tick();
      expect(fixture.cluster.evaluate(0.9, { recall })).toBe(1);
      await fixture.tick();
    }
    expect((await fixture.job('job')).state).toBe('finishing');
    expect(fixture.cluster.chunks.get('job')).toEqual([]);
    // The last evaluation is the best of all: it comes too late to go on.
    fixture.cluster.evaluate(0.95, { recall: 0.9 });
    await fixture.tick();
    const job = await fixture.job('job');
    expect(job).toMatchObject({ state: 'succeeded', result: { metrics: { recall: 0.9 }, stoppedEarly: true } });
    expect(job.evaluations.map(({ metrics }) => metrics['recall'])).toEqual([...recalls, 0.9]);
  });
});
