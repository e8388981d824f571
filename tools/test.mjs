#!/usr/bin/env node
// `npm test`: lint, type check, unit and integration tests, end-to-end tests, and the cluster in containers. The last
// line printed counts all tests. `npm test -- --only STAGE` runs one stage.

import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { ROOT } from './setup/paths.mjs';
import { projectEnvironment } from './setup/run.mjs';
import { setup } from './setup.mjs';
import { summaryLine, table, totals } from './test/report.mjs';
import { STAGES } from './test/stages.mjs';

const environment = {
  ...projectEnvironment(),
  // Nothing may stay behind in the background or be sent anywhere.
  NX_DAEMON: 'false',
  NX_NO_CLOUD: 'true',
  NX_TUI: 'false',
  TF_CPP_MIN_LOG_LEVEL: process.env.TF_CPP_MIN_LOG_LEVEL ?? '2',
};
let current;

/** @returns {Promise<number>} the exit code */
function exec([program, ...args], extra = {}) {
  return new Promise((resolve) => {
    current = spawn(program, args, {
      cwd: ROOT,
      env: { ...environment, ...extra },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    current.on('error', (error) => {
      console.error(`Could not run ${program}: ${error.message}`);
      resolve(127);
    });
    current.on('close', (code) => resolve(code ?? 1));
  });
}

async function runStage({ name, run }) {
  console.log(`\n== ${name} ==`);
  const started = Date.now();
  const { counts, reason } = await run(exec);
  const outcome = counts.failed > 0 ? 'failed' : reason ? 'skipped' : 'passed';
  const ms = Date.now() - started;
  console.log(`== ${name}: ${outcome} in ${(ms / 1000).toFixed(1)} s${reason ? ` (${reason})` : ''} ==`);
  return { name, outcome, counts, ms, reason };
}

function stagesToRun(only) {
  if (!only) return STAGES;
  const stages = STAGES.filter((stage) => stage.name === only);
  if (stages.length > 0) return stages;
  throw new Error(`There is no stage ${only}: use one of ${STAGES.map((stage) => stage.name).join(', ')}.`);
}

async function main() {
  const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;
  const stages = stagesToRun(only);
  await setup({ build: Boolean(only) && stages.some((stage) => stage.needsBuild) });

  const results = [];
  for (const stage of stages) {
    const stopped = !stage.gate && results.find((result) => result.outcome === 'failed' && isGate(result.name));
    if (stopped) {
      const counts = { passed: 0, failed: 0, skipped: 0 };
      results.push({ name: stage.name, outcome: 'skipped', counts, ms: 0, reason: `not run: ${stopped.name} failed` });
    } else results.push(await runStage(stage));
  }

  const counts = totals(results);
  const testsRan = counts.passed + counts.failed > 0;
  const expectsTests = stages.some((stage) => !stage.gate && stage.name !== 'compose');
  if (expectsTests && !testsRan) console.error('\nNo test was run at all: that is a failure.');
  console.log(`\n${table(results)}\n\n${summaryLine(counts)}`);
  return counts.failed > 0 || (expectsTests && !testsRan) ? 1 : 0;
}

function isGate(name) {
  return STAGES.some((stage) => stage.name === name && stage.gate);
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.on(signal, () => {
    current?.kill(signal);
    process.exit(code);
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error.message);
  console.log(summaryLine({ passed: 0, failed: 1, skipped: 0 }));
  process.exitCode = 1;
}
