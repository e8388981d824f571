import type { PushHeader, ShardControl, ShardLedger, UpdateRuleSpec, ValueEncoding } from '@downpour/contracts';
import { examplesInPush, initialControl } from '@downpour/contracts';
import { gradientRefusal } from './gradient-refusal.ts';
import { gatherRanges } from './key-range.ts';
import type { LedgerState } from './ledger.ts';
import { Ledger } from './ledger.ts';
import { decayWeights, ruleAt } from './learning-rate.ts';
import type { LoggedControl, LoggedPush, LoggedRecord } from './ports.ts';
import { isPush } from './ports.ts';
import type { ShardIdentity } from './shard-identity.ts';
import { ShardMemory } from './shard-memory.ts';
import type { StalenessState } from './staleness.ts';
import { StalenessStatistics } from './staleness.ts';
import { HeldPushes } from './strategies/held-pushes.ts';
import { shardStrategyOf } from './strategies/strategies.ts';
import type { EncodedVector } from '@downpour/kernels';
import type { OutgoingTensor } from '@downpour/tensor';
import { updateRuleOf } from './update-rules/rules.ts';
import type { UpdateRule } from './update-rules/update-rule.ts';

/** What became of a record of the log. Only `applied` changes a parameter. */
export type ApplyOutcome =
  | { kind: 'applied'; staleness: number }
  /** It waits for the others of its step. */
  | { kind: 'held' }
  /** Too stale for the strategy: dropped, and not settled. */
  | { kind: 'late'; staleness: number }
  /** A change of strategy, quorum or rate that made no step. */
  | { kind: 'control' }
  /** Its key has been applied: a chunk was given out twice, or a publish was repeated. */
  | { kind: 'duplicate' }
  /** The log has delivered it before: a replay begins where slices were missing. */
  | { kind: 'replayed' }
  /** A value of its gradient is NaN or infinite. With onBadGradient `skip` the ledger has settled it so; with `fail` the job cannot go on. */
  | { kind: 'bad'; reason: string; fatal: boolean }
  /** It is not a push of this shard, or not one of the plan. */
  | { kind: 'refused'; reason: string };

/** Everything that a fold over the log has made: what a snapshot holds. */
export interface ShardState {
  version: number;
  /** Log position of the last record that has been taken in. */
  logSequence: number;
  refused: number;
  control: ShardControl;
  /** Places in the log of pushes that wait for their step: they are taken in again. */
  held: number[];
  parameters: Float32Array;
  slots: readonly Float32Array[];
  ledger: LedgerState;
  staleness: StalenessState;
}

/** What of a state need not come from a snapshot. */
type Remade = 'ledger' | 'staleness' | 'control' | 'held';

/**
 * One shard of one job: a fold over its push log. `apply` is synchronous and touches nothing but this object, so a read between two applies sees one version,
 * and the same pushes in the same order give the same bits.
 *
 * Trainable values go through the update rule; state values (moving averages) get the push's delta added.
 */
export class ParameterShard {
  readonly identity: ShardIdentity;
  readonly #rule: UpdateRule;
  readonly #memory: ShardMemory;
  readonly #ledger: Ledger;
  readonly #staleness: StalenessStatistics;
  #version: number;
  #logSequence: number;
  #refused: number;
  #control: ShardControl;
  readonly #held = new HeldPushes();
  /** Held when its snapshot was taken: the log brings them again. */
  readonly #heldBefore: Set<number>;
  /** What the memory's room for outgoing parameters holds. */
  #encoded: { encoding: ValueEncoding; version: number; tensors: Record<string, OutgoingTensor> } | null = null;

  private constructor(identity: ShardIdentity, state: Partial<ShardState> = {}) {
    this.identity = identity;
    this.#rule = updateRuleOf(identity.rule);
    const slots = this.#rule.slots(identity.rule);
    this.#memory = new ShardMemory(identity.length, identity.trainableLength, slots.length);
    for (const [index, { initial }] of slots.entries()) this.#memory.slots[index]!.fill(initial);
    this.#ledger =
      state.ledger === undefined ? new Ledger(identity.chunks) : Ledger.restore(identity.chunks, state.ledger);
    this.#staleness = new StalenessStatistics(state.staleness);
    this.#version = state.version ?? 0;
    this.#logSequence = state.logSequence ?? 0;
    this.#refused = state.refused ?? 0;
    this.#control = state.control ?? initialControl(identity.strategy);
    this.#heldBefore = new Set(state.held);
  }

  /**
   * A shard at version 0, from the job's initial parameters (all of them: float32 [jobLength]).
   * @throws RangeError when they are not as many as the plan says.
   */
  static initial(identity: ShardIdentity, jobVector: Float32Array): ParameterShard {
    if (jobVector.length !== identity.jobLength)
      throw new RangeError(`There are ${jobVector.length} initial parameters; the job has ${identity.jobLength}`);
    return ParameterShard.begin(identity, gatherRanges(jobVector, identity.ranges, new Float32Array(identity.length)));
  }

  /** As `initial`, from the shard's own values: float32 [length]. */
  static begin(identity: ShardIdentity, own: Float32Array): ParameterShard {
    const shard = new ParameterShard(identity);
    shard.#memory.parameters.set(own);
    return shard;
  }

  /** Without a ledger, staleness or control these start afresh. @throws RangeError when the state is not one of this shard. */
  static restore(
    identity: ShardIdentity,
    state: Omit<ShardState, Remade> & Partial<Pick<ShardState, Remade>>,
  ): ParameterShard {
    const shard = new ParameterShard(identity, state);
    const into = [shard.#memory.parameters, ...shard.#memory.slots];
    const from = [state.parameters, ...state.slots];
    if (into.length !== from.length || into.some((region, index) => region.length !== from[index]!.length))
      throw new RangeError('The state has vectors of another shard or update rule');
    for (const [index, region] of into.entries()) region.set(from[index]!);
    return shard;
  }

  /** How many gradients have been applied, of a strategy with steps in common how many steps: this shard's own clock. */
  get version(): number {
    return this.#version;
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  get staleness(): StalenessStatistics {
    return this.#staleness;
  }

  /** How pushes are folded at present. */
  get control(): ShardControl {
    return this.#control;
  }

  /** Whether a push at that place of the log has been taken in, and nothing of that worker waits for a step any more. */
  isThrough(sequence: number, worker?: string): boolean {
    return this.#logSequence >= sequence && (worker === undefined || !this.#held.hasOf(worker));
  }

  /** Pushes that wait for their step. */
  get heldCount(): number {
    return this.#held.count;
  }

  /** Place in the log of the first record that a replay must bring again; Infinity: none. */
  get firstHeld(): number {
    return this.#held.firstSequence;
  }

  /** Pushes that were no pushes of this shard. */
  get refused(): number {
    return this.#refused;
  }

  /** Memory of parameters and rule. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  /** The parameters as a view: of this version until the next apply. Whoever needs them longer copies them before letting go of the thread. */
  get parameters(): Float32Array {
    return this.#memory.parameters;
  }

  /**
   * The parameters as they cross the wire (tensors of a pull's answer), of this version until the next apply, as `parameters` are. Encoded once a version: many readers of one version cost
   * one encoding, as long as they ask for the same.
   */
  encoded(encoding: ValueEncoding): Record<string, OutgoingTensor> {
    const known = this.#encoded;
    if (known?.encoding === encoding && known.version === this.#version) return known.tensors;
    const tensors = this.#memory.encode(encoding);
    this.#encoded = { encoding, version: this.#version, tensors };
    return tensors;
  }

  /**
   * Takes in the next record of the log. A gradient is copied once, into the shard's memory, looked at for NaN and infinity there, and decoded as it is applied.
   * What becomes of it depends on nothing but the log before it.
   */
  apply(record: LoggedRecord): ApplyOutcome {
    const { sequence } = record;
    if (sequence <= this.#logSequence && !this.#heldBefore.delete(sequence)) return { kind: 'replayed' };
    this.#logSequence = Math.max(this.#logSequence, sequence);
    return isPush(record) ? this.#take(record) : this.#follow(record);
  }

  /** As `apply` for a control record, where a job has no log. */
  follow(control: ShardControl): ApplyOutcome {
    if (control.revision <= this.#control.revision) return { kind: 'control' };
    const before = this.#control;
    this.#control = control;
    const enough = control.strategy.kind !== before.strategy.kind || this.#stepIsFull;
    return this.#held.count > 0 && enough ? this.#step() : { kind: 'control' };
  }

  #follow({ header }: LoggedControl): ApplyOutcome {
    const { jobId, shard } = this.identity;
    if (header.jobId === jobId && header.shard === shard) return this.follow(header.control);
    this.#refused += 1;
    return { kind: 'refused', reason: `it is for shard ${header.shard} of job ${header.jobId}` };
  }

  #take(record: LoggedPush): ApplyOutcome {
    const { header, gradient, scales } = record;
    const { length, onBadGradient } = this.identity;
    const reason = this.#refusal(header) ?? (header.bad ? null : gradientRefusal(gradient, scales, length));
    if (reason !== null) {
      this.#refused += 1;
      return { kind: 'refused', reason };
    }
    if (this.#ledger.dropDuplicate(header)) return { kind: 'duplicate' };
    // No version is lost in a recovery, so a gradient cannot come from the future, unless a log in memory was.
    const staleness = Math.max(0, this.#version - header.version);
    const verdict = shardStrategyOf(this.#control.strategy).judge(this.#control.strategy, staleness);
    if (verdict.kind === 'late') {
      this.#ledger.dropLate();
      return { kind: 'late', staleness };
    }
    if (verdict.kind === 'hold' && this.#held.has(header)) {
      this.#ledger.dropRepeated();
      return { kind: 'duplicate' };
    }
    const { codecs } = this.#memory.kernels;
    const values = header.bad ? null : this.#memory.take(gradient, scales);
    const finite = values !== null && codecs.finite(values, length);
    if (!finite) {
      const fatal = onBadGradient === 'fail';
      if (!fatal && verdict.kind === 'hold') {
        // Its worker waits for the step: it counts for it.
        this.#held.add(record, false);
        if (this.#stepIsFull) this.#step();
      } else if (!fatal) this.#ledger.record(header, header.examples, 'bad');
      return { kind: 'bad', reason: badReason(header, onBadGradient), fatal };
    }
    if (verdict.kind === 'hold') {
      this.#held.add(record, true);
      return this.#stepIsFull ? this.#step() : { kind: 'held' };
    }
    const rule = this.#ruleAt(verdict.rate);
    this.#ledger.record(header, header.examples);
    this.#move(values, rule);
    this.#staleness.record(staleness);
    return { kind: 'applied', staleness };
  }

  get #stepIsFull(): boolean {
    return this.#control.quorum !== null && this.#held.count >= this.#control.quorum;
  }

  /** Applies the mean of what is held, over its examples, as one gradient: what one replica with a batch of all of them would have pushed. */
  #step(): ApplyOutcome {
    const held = this.#held.takeAll();
    const sound = held.flatMap(({ header, gradient, scales }) =>
      gradient === null ? [] : [{ examples: header.examples, gradient, ...(scales && { scales }) }],
    );
    const examples = sound.reduce((sum, push) => sum + push.examples, 0);
    const rule = this.#ruleAt(1);
    for (const { header, gradient } of held) {
      this.#ledger.record(header, header.examples, gradient === null ? 'bad' : 'applied');
      if (gradient !== null) this.#staleness.record(0);
    }
    if (sound.length === 0) this.#version += 1;
    else this.#move(this.#memory.mean(sound.map((push) => ({ ...push, weight: push.examples / examples }))), rule);
    return { kind: 'applied', staleness: 0 };
  }

  /** One version on. */
  #move(gradient: EncodedVector, rule: UpdateRuleSpec): void {
    const { kernels, trainable, state, slots } = this.#memory;
    this.#version += 1;
    decayWeights(kernels.vectors, this.identity, rule.learningRate, trainable);
    this.#rule.apply(kernels.rules, rule, trainable, gradient, slots, this.#version);
    kernels.codecs.accumulate(gradient, state, this.identity.trainableLength);
  }

  /** By what was settled before the gradient: the same on every shard. `rate`: what its staleness makes of it. */
  #ruleAt(rate: number): UpdateRuleSpec {
    const position = { version: this.#version, epochs: this.#ledger.epochs };
    return ruleAt(this.identity, position, rate * this.#control.learningRateFactor);
  }

  /** Views, not copies, of the vectors: encode them before letting go of the thread. */
  capture(): ShardState {
    return {
      version: this.#version,
      logSequence: this.#logSequence,
      refused: this.#refused,
      control: this.#control,
      held: this.#held.sequences,
      parameters: this.#memory.parameters,
      slots: this.#memory.slots,
      ledger: this.#ledger.capture(),
      staleness: this.#staleness.capture(),
    };
  }

  /** The shard's account, as events and replies carry it. */
  account(instance: string): ShardLedger {
    return { shard: this.identity.shard, instance, ...this.#ledger.account(), refused: this.#refused };
  }

  /** Why a push is none of this shard's, or null. */
  #refusal(header: PushHeader): string | null {
    const { jobId, shard, chunks } = this.identity;
    const { epoch, chunk, push, examples } = header;
    if (header.jobId !== jobId || header.shard !== shard)
      return `it is for shard ${header.shard} of job ${header.jobId}, not for shard ${shard} of job ${jobId}`;
    if (!this.#ledger.plans(header)) return `the job has no push ${push} of chunk ${chunk} of epoch ${epoch}`;
    const planned = examplesInPush(chunks, chunk, push);
    if (examples !== planned) return `it holds ${examples} examples where the plan has ${planned}`;
    return null;
  }
}

const badReason = ({ worker, epoch, chunk, push, bad }: PushHeader, onBadGradient: string): string => {
  const found = bad ? '' : ', which its worker did not see';
  const what = `A gradient of ${worker} (push ${push} of chunk ${chunk} of epoch ${epoch}) has NaN or infinity in it${found}`;
  return onBadGradient === 'skip'
    ? `${what}: it was dropped`
    : `${what}. Lower updateRule.learningRate, look for extreme values in the data, or set onBadGradient to "skip"`;
};
