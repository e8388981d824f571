// The stages of `npm test`, in order. A stage is given a way to run a command and returns what came out of it.

import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PATHS, ROOT } from '../setup/paths.mjs';
import { setup } from '../setup.mjs';
import { countTests } from './report.mjs';

const NONE = { passed: 0, failed: 0, skipped: 0 };
/** What test-compose.mjs exits with when it found that it cannot run here; as in automake. */
const SKIP_EXIT_CODE = 77;

/**
 * `gate`: the tests are not run when it fails. `needsBuild`: the stage runs compiled code.
 */
export const STAGES = [
  { name: 'lint', gate: true, run: (exec) => check(exec(['npm', 'run', '--silent', 'lint'])) },
  { name: 'types', gate: true, run: types },
  { name: 'unit', run: (exec) => vitest(exec, 'unit', []) },
  { name: 'e2e', needsBuild: true, run: endToEnd },
  { name: 'compose', run: compose },
];

async function check(exit) {
  return (await exit) === 0 ? { counts: NONE } : { counts: { ...NONE, failed: 1 } };
}

/** `tsc -b` checks and compiles in one go. */
async function types() {
  try {
    await setup();
    return { counts: NONE };
  } catch (error) {
    console.error(error.message);
    return { counts: { ...NONE, failed: 1 } };
  }
}

function endToEnd(exec) {
  const config = join(ROOT, 'apps', 'e2e', 'vitest.config.ts');
  return existsSync(config)
    ? vitest(exec, 'e2e', ['--config', config])
    : skipped('apps/e2e/vitest.config.ts is missing');
}

/**
 * The same cluster in containers: tools/test-compose.mjs finds or prepares an engine and runs the tests. It gets in
 * DOWNPOUR_TEST_REPORT where to write its counts, in the form of vitest's JSON reporter.
 */
async function compose(exec) {
  const script = join(ROOT, 'tools', 'test-compose.mjs');
  const report = freshReport('compose');
  const exit = await exec([PATHS.node, script], { DOWNPOUR_TEST_REPORT: report });
  if (exit === SKIP_EXIT_CODE) return skipped('it cannot run here, see above');
  return { counts: countTests(readReport(report), exit === 0) };
}

async function vitest(exec, name, args) {
  const report = freshReport(name);
  const program = join(PATHS.modules, 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const exit = await exec([PATHS.node, program, 'run', ...args, ...reporters]);
  return { counts: countTests(readReport(report), exit === 0) };
}

function freshReport(name) {
  const folder = join(PATHS.native, 'test');
  mkdirSync(folder, { recursive: true });
  const report = join(folder, `${name}.json`);
  rmSync(report, { force: true });
  return report;
}

function readReport(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** Counted as one skipped test, so that the last line does not hide it. */
function skipped(reason) {
  return { counts: { ...NONE, skipped: 1 }, reason };
}
