import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ReproduceOptions } from './experiment.ts';

/** What the machine was doing when a run ended. */
export interface Circumstances {
  at: string;
  /** Mean over the last minute of processes that ran or would have. */
  load: number;
}

const opened = new Map<string, MeasuredRuns<unknown>>();

/**
 * Runs by what was run, in a file as they come: nothing is measured twice in one process, and with --reuse not in two either, so that what was interrupted goes on.
 */
export class MeasuredRuns<Run> {
  readonly #file: string;
  readonly #runs: Record<string, Run & Circumstances>;

  private constructor(file: string, runs: Record<string, Run & Circumstances>) {
    this.#file = file;
    this.#runs = runs;
  }

  static of<Run>(name: string, { results, reuse }: ReproduceOptions): MeasuredRuns<Run> {
    const file = path.join(results, `${name}.json`);
    const known = opened.get(file) as MeasuredRuns<Run> | undefined;
    if (known) return known;
    const before = reuse && existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as never) : {};
    const runs = new MeasuredRuns<Run>(file, before);
    opened.set(file, runs);
    return runs;
  }

  /** `what`: all that says what was run, padding included. */
  get(what: unknown): (Run & Circumstances) | undefined {
    return this.#runs[JSON.stringify(what)];
  }

  add(what: unknown, run: Run): Run & Circumstances {
    const circumstances = { at: new Date().toISOString(), load: Number(os.loadavg()[0]!.toFixed(1)) };
    const kept = (this.#runs[JSON.stringify(what)] = { ...run, ...circumstances });
    mkdirSync(path.dirname(this.#file), { recursive: true });
    writeFileSync(this.#file, `${JSON.stringify(this.#runs, null, 1)}\n`);
    return kept;
  }
}
