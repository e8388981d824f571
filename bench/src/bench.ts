import type { BenchOptions } from './options.ts';
import type { WholeSystem } from './whole-system.ts';

/** One line of the report: a figure, and what it is compared with. */
export interface Figure {
  /** `cnn, int8, n=1` */
  name: string;
  unit: string;
  /** One for each repetition. */
  values: number[];
  baseline: { name: string; values: number[] } | null;
  /** Of the ratio to the baseline; of the figure itself where there is none. */
  aim: { least: number } | { most: number } | null;
}

/** Numbers behind the figures, shown below the table: where the CPU goes, curves. */
export interface Detail {
  title: string;
  /** First row: the head. */
  rows: string[][];
}

export interface Curves {
  title: string;
  x: string;
  y: string;
  series: { name: string; points: [number, number][] }[];
}

export interface BenchResult {
  figures: Figure[];
  details?: Detail[];
  curves?: Curves[];
}

export interface BenchContext {
  options: BenchOptions;
  /** Aborted when the run is interrupted. */
  signal: AbortSignal;
  /** Says what is measured now. */
  progress: (what: string) => void;
  /** Jobs on a whole cluster and their baselines: measured once, used by several benches. */
  system: WholeSystem;
}

export interface Bench {
  /** As in `--only`. */
  id: string;
  title: string;
  /** Not part of every run: only when named, only with `--peers`, not with `--quick` unless named. */
  extra?: 'on-request' | 'peers' | 'full';
  run(context: BenchContext): Promise<BenchResult>;
}
