import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Bench, BenchResult, Figure } from './bench.ts';
import { median, pairedRatios, short } from './harness/statistics.ts';
import { barChart, lineChart, reaches, type Bar } from './harness/svg.ts';
import { table } from './harness/table.ts';
import type { BenchOptions } from './options.ts';

export interface Finished {
  bench: Pick<Bench, 'id' | 'title'>;
  result: BenchResult | null;
  /** Why there is no result. */
  error: string | null;
  seconds: number;
}

interface Row {
  bench: string;
  figure: Figure;
  value: number;
  baseline: number | null;
  /** What the aim is about: the ratio, or the value where there is no baseline. */
  judged: number;
  range: [number, number];
  reached: boolean | null;
}

/** The report of a run so far: `bench.json`, `report.md` and the plots. Returns the table. */
export function writeReport(options: BenchOptions, startedAt: string, finished: readonly Finished[]): string {
  mkdirSync(options.results, { recursive: true });
  const rows = finished.flatMap(({ bench, result }) =>
    (result?.figures ?? []).map((figure) => rowOf(bench.id, figure)),
  );
  const machine = {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.cpus().length,
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
  };
  const json = {
    startedAt,
    machine,
    options,
    benches: finished.map((one) => ({ ...one, figures: rows.filter((row) => row.bench === one.bench.id) })),
  };
  writeFileSync(path.join(options.results, 'bench.json'), `${JSON.stringify(json, null, 1)}\n`);
  const text = [
    '# Benchmarks',
    '',
    `${startedAt}, ${machine.cores} cores of ${machine.cpu}, ${machine.platform}, Node ${machine.node}; ${options.repetitions} repetitions of ${options.windowMs} ms${options.quick ? ' (quick)' : ''}. Medians; in brackets lowest and highest.`,
    '',
    resultTable(rows),
    ...finished.flatMap((one) => [
      ...(one.error === null ? [] : ['', `**${one.bench.id} ${one.bench.title} has no result:** ${one.error}`]),
      ...(one.result?.details ?? []).flatMap(({ title, rows: lines }) => [
        '',
        `## ${one.bench.id}: ${title}`,
        '',
        table(lines),
      ]),
    ]),
    '',
  ].join('\n');
  writeFileSync(path.join(options.results, 'report.md'), text);
  for (const { bench, result } of finished) if (result) writePlots(options.results, bench, result, rows);
  return text;
}

function writePlots(folder: string, bench: Pick<Bench, 'id' | 'title'>, result: BenchResult, rows: Row[]): void {
  const bars = rows
    .filter((row) => row.bench === bench.id)
    .map(({ figure, judged, range }): Bar => ({ label: figure.name, value: judged, range, aim: figure.aim }));
  const [first] = result.figures;
  if (first && bars.length > 0) {
    const axis = first.baseline ? `ratio to: ${first.baseline.name}` : first.unit;
    writeFileSync(path.join(folder, `${bench.id}.svg`), barChart(`${bench.id}  ${bench.title}`, axis, bars));
  }
  (result.curves ?? []).forEach(({ title, x, y, series }, i) => {
    writeFileSync(path.join(folder, `${bench.id}-curve-${i + 1}.svg`), lineChart(title, { x, y }, series));
  });
}

function rowOf(bench: string, figure: Figure): Row {
  const value = median(figure.values);
  const ratios = figure.baseline ? pairedRatios(figure.values, figure.baseline.values) : figure.values;
  const judged = median(ratios);
  return {
    bench,
    figure,
    value,
    baseline: figure.baseline ? median(figure.baseline.values) : null,
    judged,
    range: [Math.min(...ratios), Math.max(...ratios)],
    reached: figure.aim && reaches(judged, figure.aim),
  };
}

function resultTable(rows: readonly Row[]): string {
  if (rows.length === 0) return 'Nothing was measured.';
  const head = ['bench', 'what', 'measured', 'baseline', 'ratio', 'aim', 'reached'];
  return table([
    head,
    ...rows.map(({ bench, figure, value, baseline, judged, range, reached }) => [
      bench,
      figure.name,
      `${short(value)} ${figure.unit}`,
      figure.baseline ? `${short(baseline!)} (${figure.baseline.name})` : '-',
      figure.baseline ? `${short(judged)} [${short(range[0])} - ${short(range[1])}]` : '-',
      figure.aim ? ('least' in figure.aim ? `>= ${figure.aim.least}` : `<= ${figure.aim.most}`) : '-',
      reached === null ? '' : reached ? 'yes' : 'no',
    ]),
  ]);
}
