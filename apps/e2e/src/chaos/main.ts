import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runChaos } from './chaos-run.ts';
import { changedByKills, everyBatchTable, runEveryBatch } from './every-batch.ts';
import { help, parseOptions, UsageError } from './options.ts';
import { brokenPromises, faultTable, jobTable, wayTable } from './report.ts';
import { EXAMPLES } from './ways.ts';

const main = async (): Promise<number> => {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') {
    console.log(help());
    return 0;
  }
  const stop = new AbortController();
  let interrupted = 0;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.on(signal, () => {
      interrupted = code;
      stop.abort(new Error('interrupted'));
    });

  const { ways, ...common } = options;
  const root = path.resolve(options.logFolder);
  rmSync(root, { recursive: true, force: true });
  const began = performance.now();
  const onNote = (line: string): void => console.log(`[${((performance.now() - began) / 1000).toFixed(0)} s] ${line}`);
  try {
    if (options.everyBatch) {
      const outcome = await runEveryBatch({ ...common, spec: ways[0]!.spec, logFolder: root, onNote }, stop.signal);
      writeFileSync(path.join(root, 'outcome.json'), JSON.stringify(outcome, null, 1));
      const broken = changedByKills(outcome);
      console.log(`\n${everyBatchTable(outcome)}\n`);
      console.log(broken.length === 0 ? 'Nothing has changed but the time.' : `BROKEN:\n  ${broken.join('\n  ')}`);
      return broken.length === 0 ? 0 : 1;
    }
    const ended: Parameters<typeof wayTable>[0][number][] = [];
    for (const { spec, ...way } of ways) {
      const logFolder = path.join(root, way.name);
      console.log(`\n${way.name}: seed ${options.seed}, ${options.durationMs / 60_000} min; logs in ${logFolder}`);
      const outcome = await runChaos({ ...common, spec, logFolder, onNote }, stop.signal);
      writeFileSync(path.join(logFolder, 'outcome.json'), JSON.stringify(outcome, null, 1));
      const broken = brokenPromises(outcome, EXAMPLES, way);
      console.log(`\n${faultTable(outcome.faults)}\n\n${jobTable([outcome.undisturbed, ...outcome.disturbed])}\n`);
      console.log(
        broken.length === 0
          ? 'Nothing lost, nothing counted twice.'
          : `BROKEN (run again with --strategy ${way.name} --seed ${options.seed}):\n  ${broken.join('\n  ')}`,
      );
      ended.push({ way: way.name, outcome, broken });
    }
    if (ended.length > 1) console.log(`\n${wayTable(ended)}`);
    return ended.every(({ broken }) => broken.length === 0) ? 0 : 1;
  } catch (error) {
    if (interrupted !== 0) return interrupted;
    throw error;
  }
};

// At once: whatever is left open, it must not outlast its result.
try {
  process.exit(await main());
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error);
  process.exit(error instanceof UsageError ? 64 : 1);
}
