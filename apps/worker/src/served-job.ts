import type { ChunkTask, JobEvent, JobPlan } from '@downpour/contracts';
import { controlOf, sharesSteps } from '@downpour/contracts';
import type { EvaluationSums, ParameterClient, Replica } from '@downpour/training';
import { DownpourReplica, SandblasterReplica } from '@downpour/training';
import { evaluateSplit } from './evaluate-split.ts';
import { GroupMember } from './group/group-member.ts';
import type { GroupSeat } from './group/group-seat.ts';
import type { MemberOptions } from './group/ports.ts';
import { PortionCache } from './portion-cache.ts';
import type { TaskQueue, WorkerVerbs } from './ports.ts';
import { wholeParameters } from './whole-parameters.ts';

/** What trains its chunks, by the job's strategy. */
type ReplicaLoop = Pick<DownpourReplica, 'trainChunk' | 'close'>;
type Parameters = ParameterClient & { close(): Promise<void> };

/** Pauses after the first, second, ... failure in a row, so that another worker may take the chunk. */
const PAUSES_MS = [250, 500, 1000, 2000, 5000];

/**
 * What this worker holds of one running job: its links are opened when first needed and closed when the plan is gone. A link that could not
 * be opened is tried again at the next use.
 */
export class ServedJob {
  #plan: JobPlan;
  /** Aborted when what is in hand is to be given back after its step, for the others of its step take no more: a pause, or the end. */
  readonly #rest = new AbortController();
  /** Aborted when the job is over for this worker. */
  readonly abort = new AbortController();
  /** A fatal problem was reported: nothing more is taken of it until the coordinator has decided. */
  condemned = false;
  readonly portions = new PortionCache();
  readonly #instance: string;
  readonly #verbs: WorkerVerbs;
  readonly #options: MemberOptions;
  readonly #inUse = new Set<Promise<unknown>>();
  #chunks: Promise<TaskQueue<ChunkTask>> | null = null;
  #parameters: Promise<Parameters> | null = null;
  #replica: Promise<Replica> | null = null;
  #loop: Promise<ReplicaLoop> | null = null;
  /** Where the model is cut. */
  readonly #group: GroupMember | null;
  #failures = 0;
  #pausedUntilMs = 0;

  constructor(plan: JobPlan, instance: string, verbs: WorkerVerbs, options: MemberOptions) {
    this.#plan = plan;
    this.#instance = instance;
    this.#verbs = verbs;
    this.#options = options;
    const use: ServedJob['use'] = (work) => this.use(work);
    this.#group = plan.cut
      ? new GroupMember({ instance, verbs, options, use, plan: () => this.#plan, signal: this.abort.signal })
      : null;
  }

  get plan(): JobPlan {
    return this.#plan;
  }

  /** The newest of it. A chunk in hand is finished by the strategy that it was begun with. */
  follow(plan: JobPlan): void {
    const [before, seat] = [JSON.stringify(controlOf(this.#plan).strategy), this.seat];
    this.#plan = plan;
    this.#group?.follow();
    // The others take no chunk any more: those in step would wait for them for ever, and a worker that waits does not evaluate.
    if (plan.phase !== 'training' && this.inStep) this.#rest.abort(new Error(`Job ${this.jobId} takes no more steps`));
    if (JSON.stringify(controlOf(plan).strategy) === before && this.seat === seat) return;
    this.#loop?.then(
      (loop) => loop.close(),
      () => undefined,
    );
    this.#loop = null;
  }

  /** This worker's place in a group of the job, if it has one. */
  get seat(): GroupSeat | null {
    return this.#group?.seat ?? null;
  }

  /** Whether this worker may take an evaluation: of a model that is cut a leader must. */
  get evaluates(): boolean {
    return this.#group?.leads ?? true;
  }

  /** Fresh parameters through the test split. `vector`: they, in parts, for the model's export. */
  async evaluate(
    signal: AbortSignal,
  ): Promise<{ sums: EvaluationSums; vector: AsyncIterable<Float32Array> | Iterable<Float32Array> }> {
    if (this.#group)
      return { sums: await this.#group.evaluate(signal), vector: wholeParameters(this.#plan, this.#verbs, signal) };
    const [parameters, replica] = await Promise.all([this.parameters(), this.replica()]);
    const { sums, vector } = await evaluateSplit({ plan: this.#plan, parameters, replica, verbs: this.#verbs }, signal);
    return { sums, vector: [vector] };
  }

  /** Its workers wait for each other at every step: none takes a chunk ahead. */
  get inStep(): boolean {
    return sharesSteps(controlOf(this.#plan).strategy);
  }

  /** Of more workers than a step has replicas the first by name are these: what the others computed would come late, and which of them come late would be chance. */
  get #takesPart(): boolean {
    const { strategy } = controlOf(this.#plan);
    if (!sharesSteps(strategy) || strategy.replicas === undefined) return true;
    return this.#plan.workers?.slice(0, strategy.replicas).includes(this.#instance) ?? false;
  }

  /** Aborted: stop after the step in hand. */
  get rest(): AbortSignal {
    return this.#rest.signal;
  }

  get jobId(): string {
    return this.plan.jobId;
  }

  /** Whether this worker may take chunks of the job now. In a warmstart one replica trains alone (paper, section 4.1). */
  get takesChunks(): boolean {
    const { phase, warmstartWorker } = this.plan;
    if (this.abort.signal.aborted || this.condemned || phase !== 'training') return false;
    if (warmstartWorker !== null && warmstartWorker !== this.#instance) return false;
    if (!this.#takesPart) return false;
    if (this.#group && !this.#group.leads) return false;
    return performance.now() >= this.#pausedUntilMs;
  }

  /** The same examples in every evaluation. */
  get keepsExamples(): boolean {
    return this.plan.spec.strategy.kind === 'sandblaster';
  }

  chunks(): Promise<TaskQueue<ChunkTask>> {
    return (this.#chunks ??= this.#kept(this.#verbs.openChunks(this.jobId, this.#plan), () => (this.#chunks = null)));
  }

  parameters(): Promise<Parameters> {
    return (this.#parameters ??= this.#kept(this.#verbs.openParameters(this.plan), () => (this.#parameters = null)));
  }

  replica(): Promise<Replica> {
    return (this.#replica ??= this.#kept(this.#verbs.openReplica(this.plan), () => (this.#replica = null)));
  }

  loop(): Promise<ReplicaLoop> {
    return (this.#loop ??= this.#kept(this.#openLoop(), () => (this.#loop = null)));
  }

  /** Keeps the job's links open while `work` is under way. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    this.#inUse.add(running);
    try {
      return await running;
    } finally {
      this.#inUse.delete(running);
    }
  }

  /** Something of it is under way. */
  get busy(): boolean {
    return this.#inUse.size > 0;
  }

  failed(): void {
    this.#pausedUntilMs = performance.now() + PAUSES_MS[Math.min(this.#failures, PAUSES_MS.length - 1)]!;
    this.#failures += 1;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Lets go: whatever is under way is aborted, then the links are closed. Never rejects. */
  async close(): Promise<void> {
    this.abort.abort(new Error(`Job ${this.jobId} is over for this worker`));
    await Promise.allSettled([...this.#inUse]);
    await Promise.allSettled([
      this.#loop?.then((loop) => loop.close()),
      this.#group?.close(),
      this.#chunks?.then((chunks) => chunks.close()),
      this.#parameters?.then((parameters) => parameters.close()),
      this.#replica?.then((replica) => replica.dispose()),
    ]);
  }

  async #openLoop(): Promise<ReplicaLoop> {
    if (this.#group) return this.#group.leader();
    const [parameters, replica] = await Promise.all([this.parameters(), this.replica()]);
    const context = {
      plan: this.plan,
      rateFactor: () => controlOf(this.#plan).learningRateFactor,
      instance: this.#instance,
      parameters,
      replica,
      report: (event: JobEvent) => this.#verbs.report(this.jobId, event),
      signal: this.abort.signal,
    };
    const Loop = this.#plan.spec.strategy.kind === 'sandblaster' ? SandblasterReplica : DownpourReplica;
    return new Loop(context, this.#options);
  }

  #kept<T>(opening: Promise<T>, forget: () => void): Promise<T> {
    opening.catch(forget);
    return opening;
  }
}
