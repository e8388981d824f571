/** `npm run bench`: runs benches one after the other, shows the table at the end. docs/benchmarks.md says how to read it. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { BENCHES } from './benches/index.ts';
import { endAll } from './harness/cleanup.ts';
import { Progress } from './harness/progress.ts';
import { HELP, parseOptions, type BenchOptions } from './options.ts';
import { writeReport, type Finished } from './report.ts';
import { WholeSystem } from './whole-system.ts';

/** After a Ctrl-C everything is ended within this time, or left to the watchdog. */
const END_TIMEOUT_MS = 60_000;

const stop = new AbortController();
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) return;
    console.error(`\n${signal}: ending what was started ...`);
    process.exitCode = code;
    stop.abort(new Error('interrupted'));
    void Promise.race([endAll(), sleep(END_TIMEOUT_MS)]).then(() => process.exit(code));
  });
}

try {
  const options = parseOptions(process.argv.slice(2), path.resolve(import.meta.dirname, '../results'));
  if (options === 'help') console.log(HELP);
  else await run(options);
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
} finally {
  if (!stop.signal.aborted) await endAll();
}

async function run(options: BenchOptions): Promise<void> {
  const benches = chosen(options);
  const startedAt = new Date().toISOString();
  const progress = new Progress();
  let current = '';
  const tell = (what: string) => progress.tell(`${current}: ${what}`);
  const system = new WholeSystem(options, stop.signal, tell);
  const finished: Finished[] = [];
  let text = '';
  for (const bench of benches) {
    current = bench.id;
    const beganMs = performance.now();
    const { id, title } = bench;
    try {
      const result = await bench.run({ options, signal: stop.signal, progress: tell, system });
      finished.push({ bench: { id, title }, result, error: null, seconds: (performance.now() - beganMs) / 1000 });
    } catch (error) {
      if (stop.signal.aborted) break;
      const reason = error instanceof Error ? error.message : String(error);
      tell(`failed: ${error instanceof Error ? error.stack : reason}`);
      finished.push({
        bench: { id, title },
        result: null,
        error: reason,
        seconds: (performance.now() - beganMs) / 1000,
      });
      process.exitCode = 1;
    }
    // After each: what was measured is kept when the run is interrupted.
    text = writeReport(options, startedAt, finished);
  }
  progress.clear();
  console.log(text);
  console.log(`${path.join(options.results, 'report.md')}, bench.json and the plots beside it`);
}

/** @throws Error naming what there is */
function chosen({ only, peers, quick }: BenchOptions): readonly Bench[] {
  const parts = { always: true, peers, full: !quick, 'on-request': false };
  if (only === null) return BENCHES.filter(({ extra }) => parts[extra ?? 'always']);
  return only.map((id) => {
    const bench = BENCHES.find((one) => one.id === id);
    if (!bench) throw new Error(`There is no bench ${id}: use ${BENCHES.map((one) => one.id).join(', ')}`);
    return bench;
  });
}
