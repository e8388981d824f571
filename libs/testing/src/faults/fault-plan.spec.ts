import { describe, expect, it } from 'vitest';
import { planFaults } from './fault-plan.ts';
import type { FaultPlanOptions } from './fault-plan.ts';

const options: FaultPlanOptions = {
  seed: 7,
  durationMs: 600_000,
  targets: [
    { name: 'nats', kinds: ['kill', 'freeze'], longestMs: 5000 },
    { name: 'worker-0', kinds: ['kill', 'freeze', 'partition', 'cut', 'delay'] },
    { name: 'witness', kinds: ['delay'] },
  ],
  killsPerMinute: 6,
  othersPerMinute: 3,
};

describe('planFaults', () => {
  it('gives the same plan for the same seed, and another for another', () => {
    expect(planFaults(options)).toEqual(planFaults(options));
    expect(planFaults({ ...options, seed: 8 })).not.toEqual(planFaults(options));
  });

  it('kills at an even pace, every target that can be killed in turn', () => {
    const kills = planFaults(options).filter(({ kind }) => kind === 'kill');
    expect(kills).toHaveLength(60);
    for (let index = 0; index < 60; index += 2)
      expect(new Set(kills.slice(index, index + 2).map(({ target }) => target))).toEqual(new Set(['nats', 'worker-0']));
    for (const [index, { atMs }] of kills.entries()) {
      expect(atMs).toBeGreaterThanOrEqual(index * 10_000);
      expect(atMs).toBeLessThanOrEqual((index + 1) * 10_000);
    }
  });

  it('disturbs targets only as they can be, in order of time, no longer than they may', () => {
    const plan = planFaults({ ...options, longestMs: 20_000 });
    expect(plan).toHaveLength(90);
    expect(plan.map(({ atMs }) => atMs)).toEqual([...plan.map(({ atMs }) => atMs)].sort((a, b) => a - b));
    for (const { kind, target, lengthMs } of plan) {
      expect(options.targets.find(({ name }) => name === target)?.kinds).toContain(kind);
      if (kind !== 'kill') expect(lengthMs).toBeLessThanOrEqual(target === 'nats' ? 5000 : 20_000);
    }
    expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(['kill', 'freeze', 'partition', 'cut', 'delay']));
  });

  it('plans nothing where there is nobody to disturb', () => {
    expect(planFaults({ ...options, targets: [] })).toEqual([]);
  });
});
