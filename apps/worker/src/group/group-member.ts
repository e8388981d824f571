import type { JobEvent, JobPlan } from '@downpour/contracts';
import { controlOf, DownpourError } from '@downpour/contracts';
import type { EvaluationSums } from '@downpour/training';
import type { WorkerVerbs } from '../ports.ts';
import { GroupLeader } from './group-leader.ts';
import { GroupSeat } from './group-seat.ts';
import { PartitionPart } from './partition-part.ts';
import { seatIn } from './ports.ts';
import type { MemberOptions } from './ports.ts';

export interface GroupMemberInput {
  instance: string;
  verbs: WorkerVerbs;
  options: MemberOptions;
  /** The newest of the job. */
  plan: () => JobPlan;
  /** Keeps the job's links open while work is under way. */
  use: <T>(work: () => Promise<T>) => Promise<T>;
  /** Aborted when the job is over for this worker. */
  signal: AbortSignal;
}

/** A worker in a job whose model is cut: its seat in a group, if it has one at present, and the part of the model that it holds there. */
export class GroupMember {
  readonly #input: GroupMemberInput;
  #seat: GroupSeat | null = null;
  #part: Promise<PartitionPart> | null = null;

  constructor(input: GroupMemberInput) {
    this.#input = input;
    input.signal.addEventListener('abort', () =>
      this.#seat?.leave(new DownpourError('unavailable', 'The job is over here')),
    );
    this.follow();
  }

  get seat(): GroupSeat | null {
    return this.#seat;
  }

  /** Whether it is for this worker to take chunks and evaluations. */
  get leads(): boolean {
    return this.#seat?.leads === true;
  }

  /** Takes the seat that the plan gives it. The part stays open while the partition is the same. */
  follow(): void {
    const { instance, verbs, plan, use } = this.#input;
    const place = seatIn(plan(), instance);
    const before = this.#seat;
    if (place?.generation === before?.place.generation) return;
    this.#seat =
      place &&
      new GroupSeat(plan().jobId, place, verbs, (work, run) =>
        use(async () => {
          const part = await this.#opened(place.partition);
          return work.kind === 'chunk' ? part.train(work.task, run) : { settled: part.evaluate(run) };
        }),
      );
    before?.leave(new DownpourError('unavailable', 'The group has changed'));
    if (place?.partition !== before?.place.partition) void this.close();
  }

  /** What trains the chunks that this worker takes. @throws DownpourError unavailable where it leads no group */
  async leader(): Promise<GroupLeader> {
    const seat = this.#leading();
    return new GroupLeader(seat, await this.#opened(seat.place.partition));
  }

  /** Fresh parameters of all partitions through the test split. @throws as `leader` */
  async evaluate(signal: AbortSignal): Promise<EvaluationSums> {
    const seat = this.#leading();
    const part = await this.#opened(seat.place.partition);
    return seat.lead({ kind: 'evaluate' }, signal, async (run, others) => {
      const own = await part.evaluate(run);
      const theirs = await others;
      seat.end(run);
      return own.examples > 0 ? own : theirs!;
    });
  }

  /** Closes the part. Never rejects. */
  async close(): Promise<void> {
    const part = this.#part;
    this.#part = null;
    await part?.then(
      (opened) => opened.close(),
      () => undefined,
    );
  }

  #leading(): GroupSeat {
    if (this.#seat?.leads) return this.#seat;
    throw new DownpourError('unavailable', 'This worker leads no group of the job at present');
  }

  #opened(partition: number): Promise<PartitionPart> {
    if (this.#part) return this.#part;
    const { plan, verbs, options, instance, signal } = this.#input;
    const { jobId } = plan();
    const rateFactor = () => controlOf(plan()).learningRateFactor;
    const report = (event: JobEvent) => verbs.report(jobId, event);
    const opening = PartitionPart.open({
      plan: plan(),
      partition,
      verbs,
      options,
      instance,
      rateFactor,
      report,
      signal,
    });
    opening.catch(() => {
      if (this.#part === opening) this.#part = null;
    });
    return (this.#part = opening);
  }
}
