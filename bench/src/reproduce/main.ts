/** `npm run reproduce -- NAME ...`: the figures of the paper and what strategies do, from real runs. docs/strategies.md shows the results. */
import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { endAll } from '../harness/cleanup.ts';
import { Progress } from '../harness/progress.ts';
import { table } from '../harness/table.ts';
import { divergence } from './divergence.ts';
import type { Experiment, ReproduceOptions } from './experiment.ts';
import { figure3 } from './figure3.ts';
import { figure4 } from './figure4.ts';
import { figure5 } from './figure5.ts';
import { googlenet } from './googlenet.ts';
import { memory } from './memory.ts';
import { mesh } from './mesh.ts';
import { optimum } from './optimum.ts';
import { pipeline } from './pipeline.ts';
import { rates } from './rates.ts';
import { staleness } from './staleness.ts';
import { stragglers } from './stragglers.ts';
import { warmstart } from './warmstart.ts';

const EXPERIMENTS: readonly Experiment[] = [
  figure3,
  figure4,
  figure5,
  mesh,
  pipeline,
  googlenet,
  stragglers,
  warmstart,
  staleness,
  divergence,
  rates,
  optimum,
  memory,
];

const HELP = `npm run reproduce -- NAME ... [options]

Runs an experiment on a system of its own, real worker processes, whose steps most of them pad; writes NAME.json and SVG to bench/results/reproduce/.

${EXPERIMENTS.map(({ name, title }) => `  ${name.padEnd(12)} ${title}`).join('\n')}

  --seeds LIST         default 1,2,3
  --padding-ms N       least time of a step, default 100
  --results DIR        default bench/results/reproduce
  --reuse              runs that are in the folder already are not measured again
  --help               print this`;

const stop = new AbortController();
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) return;
    console.error(`\n${signal}: ending what was started ...`);
    stop.abort(new Error('interrupted'));
    void endAll().then(() => process.exit(code));
  });
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '1,2,3' },
      'padding-ms': { type: 'string', default: '100' },
      results: { type: 'string', default: path.resolve(import.meta.dirname, '../../results/reproduce') },
      reuse: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const options = {
    seeds: values.seeds.split(',').map(Number),
    paddingMs: Number(values['padding-ms']),
    results: values.results,
    reuse: values.reuse,
  };
  if (values.help || positionals.length === 0) console.log(HELP);
  else for (const experiment of positionals.map(named)) await run(experiment, options);
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
} finally {
  // What an experiment has left open keeps nobody waiting.
  if (!stop.signal.aborted) void endAll().then(() => process.exit());
}

async function run(experiment: Experiment, options: ReproduceOptions): Promise<void> {
  const { name, title } = experiment;
  const progress = new Progress();
  const startedAt = new Date().toISOString();
  const { rows, charts, data } = await experiment.run({
    options,
    signal: stop.signal,
    progress: (what) => progress.tell(what),
  });
  progress.clear();
  mkdirSync(options.results, { recursive: true });
  const machine = { cpu: os.cpus()[0]?.model ?? 'unknown', cores: os.cpus().length, node: process.version };
  const json = { name, title, startedAt, machine, seeds: options.seeds, paddingMs: options.paddingMs, rows, data };
  writeFileSync(path.join(options.results, `${name}.json`), `${JSON.stringify(json, null, 1)}\n`);
  for (const [chart, svg] of Object.entries(charts)) writeFileSync(path.join(options.results, `${chart}.svg`), svg);
  console.log(`${title}\n\n${table(rows)}\n\n${options.results}/${name}.json and the figures beside it`);
}

function named(name: string): Experiment {
  const found = EXPERIMENTS.find((one) => one.name === name);
  if (!found) throw new Error(`There is no ${name}: use ${EXPERIMENTS.map((one) => one.name).join(', ')}`);
  return found;
}
