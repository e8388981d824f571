import type { JobEvent, JobRecord, Metric, ShardEvent, WorkerEvent } from '@downpour/contracts';
import { isLowerBetter } from '@downpour/contracts';
import { createLogUpdate } from 'log-update';

const BAR_WIDTH = 30;
/** Where there is no terminal, a line this often is enough to see that it lives. */
const PLAIN_INTERVAL_MS = 5_000;

/** Shows a job while it trains: a live display on a terminal, a plain log elsewhere. */
export class Progress {
  private readonly live: ReturnType<typeof createLogUpdate> | null;
  private readonly workers = new Map<string, WorkerEvent>();
  private readonly shards = new Map<number, ShardEvent>();
  private readonly out: NodeJS.WriteStream;
  private job: JobRecord | null = null;
  private lastPlainAt = 0;
  private lastReason: string | null = null;

  constructor(out: NodeJS.WriteStream) {
    this.out = out;
    this.live = out.isTTY ? createLogUpdate(out) : null;
  }

  /** A line that stays. */
  note(line: string): void {
    this.live?.clear();
    this.out.write(`${line}\n`);
    this.draw();
  }

  onJob(job: JobRecord): void {
    this.job = job;
    if (job.reason !== null && job.reason !== this.lastReason && !['failed', 'cancelled'].includes(job.state))
      this.note(`  ${job.state}: ${job.reason}`);
    this.lastReason = job.reason;
    if (this.live) this.draw();
    else this.plain();
  }

  onEvent(event: JobEvent): void {
    if (event.type === 'worker') this.workers.set(event.instance, event);
    else if (event.type === 'shard') this.shards.set(event.shard, event);
    else if (event.type === 'evaluation' && !event.final) {
      const { epoch, accuracy, loss, metrics } = event.evaluation;
      const others = Object.entries(metrics).map((metric) => `, ${shownMetric(...metric).join(' ')}`);
      this.note(
        `  epoch ${epoch.toFixed(2).padStart(5)}  test ${accuracy === null ? '' : `accuracy ${percent(accuracy)}, `}loss ${loss.toFixed(4)}${others.join('')}`,
      );
    } else if (event.type === 'iteration') {
      const { iteration, evaluations, loss } = event;
      this.note(`  iteration ${iteration}, ${evaluations} evaluations: loss ${loss.toPrecision(8)}`);
    } else if (event.type === 'member' && event.change === 'left') this.note(`  ${event.instance} left`);
    else if (event.type === 'problem') this.note(`  ${event.instance}: ${event.message}`);
  }

  end(): void {
    this.live?.clear();
  }

  private draw(): void {
    if (!this.live || !this.job) return;
    const rows = [this.summary(this.job)];
    for (const [instance, event] of this.workers) {
      rows.push(
        `  ${instance.padEnd(26)} ${count(event.examples)} examples  ${rate(event.examplesPerSecond)}  loss ${event.loss.toFixed(4)}`,
      );
    }
    for (const [shard, event] of [...this.shards].sort(([a], [b]) => a - b)) {
      const { applied, expected, duplicatesDropped, badDropped } = event.ledger;
      rows.push(
        `  ${`shard ${shard} on ${event.instance}`.padEnd(38)} ${applied}/${expected} pushes  staleness ${event.stalenessMean.toFixed(1)} (max ${event.stalenessMax})` +
          (duplicatesDropped > 0 ? `  ${duplicatesDropped} doubles dropped` : '') +
          (badDropped > 0 ? `  ${badDropped} bad dropped` : ''),
      );
    }
    this.live(rows.join('\n'));
  }

  private plain(): void {
    if (!this.job || Date.now() - this.lastPlainAt < PLAIN_INTERVAL_MS) return;
    this.lastPlainAt = Date.now();
    this.out.write(`${this.summary(this.job)}\n`);
  }

  private summary(job: JobRecord): string {
    const progress = job.progress;
    const share = progress ? Math.min(1, progress.epochsDone / job.spec.epochs) : 0;
    const bar = this.live ? `${'█'.repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, '░')} ` : '';
    const parts = [`${job.state.padEnd(9)} ${bar}${percent(share)}`];
    if (progress) {
      parts.push(`epoch ${progress.epochsDone.toFixed(2)}/${job.spec.epochs}`, rate(progress.examplesPerSecond));
      if (progress.loss !== null) parts.push(`loss ${progress.loss.toFixed(4)}`);
      if (progress.accuracy !== null) parts.push(`accuracy ${percent(progress.accuracy)}`);
    }
    return parts.join('  ');
  }
}

/** A metric beyond loss and accuracy, in words: ['top-k accuracy', '99.90 %']. Errors are numbers, all others shares. */
export function shownMetric(name: string, value: number): [string, string] {
  const isError = isLowerBetter(name as Metric);
  const words = name === 'topK' ? 'top-k accuracy' : name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return [words, isError ? value.toPrecision(4) : percent(value)];
}

export const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
export const rate = (perSecond: number) => `${Math.round(perSecond).toLocaleString('en')} examples/s`;
const count = (value: number) => value.toLocaleString('en').padStart(9);
