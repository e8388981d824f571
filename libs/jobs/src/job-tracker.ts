import { settledPushes } from '@downpour/contracts';
import type {
  Evaluation,
  JobEvent,
  JobProgress,
  ShardEvent,
  ShardLedger,
  ShardPlacement,
  WorkerEvent,
} from '@downpour/contracts';

/** Rates and means look back this far. */
const WINDOW_MS = 10_000;
/** A worker counts as heard from for so long: longer than a chunk of a middle-sized model takes. */
const WORKER_QUIET_MS = 60_000;

interface ShardView {
  event: ShardEvent;
  /** When it was last heard, in the coordinator's time. */
  heardAt: number;
  /** Examples applied over time, in the shard's own time. */
  samples: { at: number; examples: number }[];
  /** Most pushes ever seen settled (applied, or dropped on purpose): a new owner that replays the log starts below it. */
  applied: number;
  complete: boolean;
}

/** What holds a job up without ending it, by code of the problem event. The first is worth saying even while the job gets on. */
const TROUBLES = ['snapshot-failed', 'log-full', 'shard-loading'] as const;
type TroubleCode = (typeof TROUBLES)[number];
/** Whoever has such trouble says so again sooner (apps/worker every 5 s, apps/parameter-shard every 10 s). */
const TROUBLE_FRESH_MS = 15_000;

/** A stored event with its position: once the record reflects it, a new coordinator need not read it again. */
interface Positioned<T> {
  sequence: number;
  value: T;
}

/**
 * What the events of one job say, folded. Every counter in them is cumulative, so a lost, late or doubled event changes nothing once
 * the next one is there.
 */
export class JobTracker {
  /** Position of the newest event. */
  sequence = 0;
  /** Message of the first fatal problem. */
  fatal: string | null = null;
  finalEvaluation: Evaluation | null = null;
  /** Position of the first event that decides the job's end. */
  #decisive = Infinity;
  readonly #shards = new Map<number, ShardView>();
  readonly #workers = new Map<string, number>();
  readonly #troubles = new Map<TroubleCode, { at: number; message: string }>();
  #evaluations: Positioned<Evaluation>[] = [];
  /** Over the whole training set, where the strategy knows it. */
  #batchLoss: number | null = null;
  #recent: { at: number; event: WorkerEvent }[] = [];

  apply(event: JobEvent, sequence: number, now: number): void {
    this.sequence = Math.max(this.sequence, sequence);
    if (event.type === 'shard') this.#applyShard(event, now);
    else if (event.type === 'worker') this.#applyWorker(event, now);
    else if (event.type === 'iteration') this.#batchLoss = event.loss;
    else if (event.type === 'problem' && event.fatal) {
      this.fatal ??= `${event.message} (${event.instance})`;
      this.#decisive = Math.min(this.#decisive, sequence);
    } else if (event.type === 'problem') {
      const code = TROUBLES.find((each) => each === event.code);
      // An old one that is read again by a new coordinator is no news.
      const old = now - Date.parse(event.at) > TROUBLE_FRESH_MS;
      if (code !== undefined && !old) this.#troubles.set(code, { at: now, message: event.message });
    } else if (event.type === 'evaluation') {
      this.#evaluations.push({ sequence, value: event.evaluation });
      if (!event.final) return;
      this.finalEvaluation = event.evaluation;
      this.#decisive = Math.min(this.#decisive, sequence);
    }
  }

  /** Newest position before an event that decides the job's end: until that is acted on, a successor must read it again. */
  get undecidedSequence(): number {
    return Math.min(this.sequence, this.#decisive - 1);
  }

  /** What holds the job up at present, or null. `quiet`: nothing is being applied; else only what will hold it up soon counts. */
  trouble(quiet: boolean, now: number): string | null {
    const fresh = (quiet ? TROUBLES : TROUBLES.slice(0, 1)).flatMap((code) => {
      const trouble = this.#troubles.get(code);
      return trouble !== undefined && now - trouble.at < TROUBLE_FRESH_MS ? [trouble.message] : [];
    });
    return fresh.length === 0 ? null : fresh.join('; ');
  }

  /** A shard's own answer to a question: as good as an event of it. */
  hear(shard: number, ledger: ShardLedger, complete: boolean, now: number): void {
    const view = this.#shards.get(shard);
    if (view === undefined) return;
    view.heardAt = now;
    view.applied = Math.max(view.applied, settledPushes(ledger));
    view.complete ||= complete;
    view.event = { ...view.event, ledger };
  }

  shard(shard: number): Readonly<ShardView> | undefined {
    return this.#shards.get(shard);
  }

  /** The shard's present owner has said that it serves it. */
  serves({ shard, ownership }: Pick<ShardPlacement, 'shard' | 'ownership'>): boolean {
    const event = this.#shards.get(shard)?.event;
    return event?.state === 'serving' && event.ownership === ownership;
  }

  /** Pushes that the slowest shard has settled. */
  applied(shards: number): number {
    return this.#least(shards, (view) => view.applied);
  }

  examplesApplied(shards: number): number {
    return this.#least(shards, (view) => view.event.ledger.examplesApplied);
  }

  complete(shards: number): boolean {
    return this.#every(shards, (view) => view.complete);
  }

  /** Of the first `shards`: an event of another is nobody's. */
  ledgers(shards: number): ShardLedger[] {
    const known = [...this.#shards].filter(([shard, { event }]) => shard < shards && event.ledger.shard === shard);
    return known.map(([, { event }]) => event.ledger).sort((a, b) => a.shard - b.shard);
  }

  /** Evaluations up to a position that the job's record does not have yet. */
  newEvaluations(upTo: number): Evaluation[] {
    return this.#evaluations.filter(({ sequence }) => sequence <= upTo).map(({ value }) => value);
  }

  /** The record reflects everything up to `sequence`. */
  settled(sequence: number): void {
    this.#evaluations = this.#evaluations.filter((evaluation) => evaluation.sequence > sequence);
  }

  progress(shards: number, pushesPerEpoch: number, alive: readonly string[], now: number): JobProgress {
    this.#recent = this.#recent.filter(({ at }, index, all) => at > now - WINDOW_MS || index === all.length - 1);
    const staleness = [...this.#shards.values()].map(({ event }) => event.stalenessMean);
    const accuracies = this.#recent.flatMap(({ event }) => (event.accuracy === null ? [] : [event.accuracy]));
    return {
      epochsDone: this.applied(shards) / pushesPerEpoch,
      examplesApplied: this.examplesApplied(shards),
      examplesPerSecond: this.rate(shards, now),
      loss: this.#batchLoss ?? mean(this.#recent.map(({ event }) => event.loss)),
      accuracy: mean(accuracies),
      staleness: mean(staleness),
      workers: alive.filter((worker) => (this.#workers.get(worker) ?? -Infinity) > now - WORKER_QUIET_MS).length,
    };
  }

  /** Examples per second of the slowest shard over the window. */
  rate(shards: number, now: number): number {
    return this.#least(shards, ({ samples, heardAt }) => {
      const first = samples[0];
      const last = samples.at(-1);
      if (first === undefined || last === undefined || last.at === first.at || now - heardAt > WINDOW_MS) return 0;
      return Math.max(0, (1000 * (last.examples - first.examples)) / (last.at - first.at));
    });
  }

  #applyShard(event: ShardEvent, now: number): void {
    const known = this.#shards.get(event.shard);
    if (known !== undefined && known.event.ownership > event.ownership) return;
    const sameOwner = known?.event.ownership === event.ownership;
    const beginsToServe = event.state === 'serving' && !(sameOwner && known.event.state === 'serving');
    const at = Date.parse(event.at);
    const samples = sameOwner ? known.samples.filter((sample) => sample.at > at - WINDOW_MS && sample.at < at) : [];
    samples.push({ at, examples: event.ledger.examplesApplied });
    this.#shards.set(event.shard, {
      event,
      heardAt: now,
      samples,
      // A new owner that still replays counts up from below; one that serves has what there is, which is less than before where there is no log.
      applied: beginsToServe ? settledPushes(event.ledger) : Math.max(known?.applied ?? 0, settledPushes(event.ledger)),
      // Pushes are durable before they count: what was complete once is so again after a replay.
      complete: event.complete || (known?.complete ?? false),
    });
  }

  #applyWorker(event: WorkerEvent, now: number): void {
    this.#workers.set(event.instance, now);
    this.#recent.push({ at: now, event });
  }

  #every(shards: number, test: (view: ShardView) => boolean): boolean {
    return Array.from({ length: shards }, (_, shard) => this.#shards.get(shard)).every(
      (view) => view !== undefined && test(view),
    );
  }

  #least(shards: number, value: (view: ShardView) => number): number {
    if (!this.#every(shards, () => true)) return 0;
    return Math.min(...Array.from({ length: shards }, (_, shard) => value(this.#shards.get(shard) as ShardView)));
  }
}

/** null of nothing, and where the sum is beyond all numbers: a record could not hold that. */
function mean(values: readonly number[]): number | null {
  const sum = values.reduce((total, value) => total + value, 0);
  return values.length === 0 || !Number.isFinite(sum) ? null : sum / values.length;
}
