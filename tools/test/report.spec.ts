import { describe, expect, it } from 'vitest';
import { countTests, summaryLine, table, totals } from './report.mjs';

const file = (status: string, ...statuses: string[]) => ({
  status,
  assertionResults: statuses.map((each) => ({ status: each })),
});

describe('countTests', () => {
  it('counts tests that are pending, skipped or to do as skipped', () => {
    const report = { testResults: [file('passed', 'passed', 'pending', 'todo'), file('failed', 'failed', 'skipped')] };
    expect(countTests(report, false)).toEqual({ passed: 1, failed: 1, skipped: 3 });
  });

  it('counts a file that could not be loaded as one failure', () => {
    expect(countTests({ testResults: [file('failed'), file('passed', 'passed')] }, false)).toMatchObject({ failed: 1 });
  });

  it('never hides that vitest failed', () => {
    expect(countTests({ testResults: [file('passed', 'passed')] }, false)).toMatchObject({ passed: 1, failed: 1 });
    expect(countTests(undefined, false)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

describe('the end of npm test', () => {
  const results = [
    { name: 'lint', outcome: 'passed' as const, counts: { passed: 0, failed: 0, skipped: 0 }, ms: 1234 },
    { name: 'unit', outcome: 'failed' as const, counts: { passed: 120, failed: 1, skipped: 2 }, ms: 60_000 },
    {
      name: 'compose',
      outcome: 'skipped' as const,
      counts: { passed: 0, failed: 0, skipped: 1 },
      ms: 0,
      reason: 'no engine',
    },
  ];

  it('adds the stages up in one line', () => {
    expect(summaryLine(totals(results))).toBe('120 passed, 1 failed, 3 skipped');
  });

  it('lines the stages up in a table', () => {
    expect(table(results)).toBe(
      [
        'stage    result   passed  failed  skipped  time',
        'lint     passed        0       0        0  1.2 s',
        'unit     failed      120       1        2  60.0 s',
        'compose  skipped       0       0        1  0.0 s  (no engine)',
      ].join('\n'),
    );
  });
});
