import type { ChunkTask, JobPlan } from '@downpour/contracts';
import { DownpourError, partitionView } from '@downpour/contracts';
import type { EvaluationSums, ParameterClient, ReplicaContext } from '@downpour/training';
import { DownpourReplica, PartitionReplica } from '@downpour/training';
import { chunkExamples } from '../chunk-examples.ts';
import { evaluateSplit } from '../evaluate-split.ts';
import type { WorkerVerbs } from '../ports.ts';
import type { GroupRun } from './group-run.ts';
import type { MemberOptions } from './ports.ts';

type Parameters = ParameterClient & { close(): Promise<void> };

export interface PartitionPartInput extends Pick<ReplicaContext, 'instance' | 'report' | 'signal' | 'rateFactor'> {
  plan: JobPlan;
  partition: number;
  verbs: WorkerVerbs;
  options: MemberOptions;
}

/** A worker's part of a model that is cut: its segments, its parameters, and the replica loop over both. */
export class PartitionPart {
  readonly downpour: DownpourReplica;
  readonly replica: PartitionReplica;
  readonly #input: PartitionPartInput;
  readonly #view: JobPlan;
  readonly #parameters: Parameters;

  private constructor(input: PartitionPartInput, view: JobPlan, parameters: Parameters, replica: PartitionReplica) {
    const { instance, signal, rateFactor, options } = input;
    this.#input = input;
    this.#view = view;
    this.#parameters = parameters;
    this.replica = replica;
    // How the model does, who holds its output knows.
    const report = replica.holdsLoss ? input.report : () => undefined;
    const context = { plan: view, instance, parameters, replica, report, signal, ...(rateFactor && { rateFactor }) };
    this.downpour = new DownpourReplica(context, options);
  }

  static async open(input: PartitionPartInput): Promise<PartitionPart> {
    const { plan, partition, verbs, options } = input;
    const view = partitionView(plan, partition);
    const [parameters, compute] = await Promise.all([
      verbs.openParameters(plan, (whole) => partitionView(whole, partition)),
      verbs.openPartition(plan, partition),
    ]);
    const { microBatches } = plan.spec.partitions!;
    const replica = new PartitionReplica({
      partition,
      compute,
      length: view.layout.length,
      microBatches,
      observe: (time) => options.observeSegment?.({ ...time, jobId: plan.jobId, partition }),
    });
    return new PartitionPart(input, view, parameters, replica);
  }

  /** As a follower: the chunk is the leader's. `settled` once this member's pushes are durable. */
  async train(task: ChunkTask, run: GroupRun): Promise<{ settled: Promise<undefined> }> {
    const examples = chunkExamples(this.#input.verbs, this.#input.plan, task, run.signal);
    examples.catch(() => undefined); // Awaited by the loop.
    const nothing = () => Promise.resolve();
    this.replica.begin(run);
    const chunk = { task, delivery: 1, examples, done: nothing, giveBack: nothing };
    const outcome = await this.downpour.trainChunk(chunk, { stop: run.signal });
    const given = () => new DownpourError('unavailable', 'The chunk was given up');
    if (outcome.kind === 'given-back') throw given();
    return {
      settled: outcome.settled.then((end) => {
        if (end === 'given-back') throw given();
        return undefined;
      }),
    };
  }

  /** Sums where this member holds the model's output, of no examples elsewhere. */
  async evaluate(run: GroupRun): Promise<EvaluationSums> {
    this.replica.begin(run);
    const { verbs } = this.#input;
    const of = { plan: this.#view, parameters: this.#parameters, replica: this.replica, verbs };
    const { sums } = await evaluateSplit(of, run.signal);
    return sums;
  }

  async close(): Promise<void> {
    this.downpour.close();
    await Promise.allSettled([this.#parameters.close(), this.replica.dispose()]);
  }
}
