// What the stages found, as counts, a table, and the line that ends `npm test`.

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */
/** @typedef {{ name: string, outcome: 'passed' | 'failed' | 'skipped', counts: Counts, ms: number, reason?: string }} StageResult */

/**
 * @param {object | undefined} report what vitest's JSON reporter wrote; undefined when it wrote nothing
 * @param {boolean} succeeded whether vitest ended with exit code 0
 * @returns {Counts} never without a failure when vitest failed
 */
export function countTests(report, succeeded) {
  const tests = (report?.testResults ?? []).flatMap((file) => file.assertionResults);
  const having = (...statuses) => tests.filter((test) => statuses.includes(test.status)).length;
  // A file that cannot be loaded has no tests; it counts as one that failed.
  const brokenFiles = (report?.testResults ?? []).filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const passed = having('passed');
  const failed = having('failed') + brokenFiles;
  // Whatever else makes vitest fail (an unhandled rejection, a crash) is one failure too.
  return {
    passed,
    failed: succeeded ? failed : Math.max(failed, 1),
    skipped: tests.length - passed - having('failed'),
  };
}

/** @param {StageResult[]} results @returns {Counts} */
export function totals(results) {
  const sum = (key) => results.reduce((total, { counts }) => total + counts[key], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
}

/** @param {StageResult[]} results */
export function table(results) {
  const header = ['stage', 'result', 'passed', 'failed', 'skipped', 'time'];
  const rows = results.map(({ name, outcome, counts, ms, reason }) => [
    name,
    outcome,
    ...[counts.passed, counts.failed, counts.skipped].map(String),
    `${(ms / 1000).toFixed(1)} s${reason ? `  (${reason})` : ''}`,
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  // Words to the left, numbers to the right; the last column ends the line.
  const cell = (text, column) => {
    if (column === header.length - 1) return text;
    return column < 2 ? text.padEnd(widths[column]) : text.padStart(widths[column]);
  };
  return [header, ...rows].map((row) => row.map(cell).join('  ')).join('\n');
}

/** @param {Counts} counts */
export function summaryLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
