import type { PushHeader, ShardLedger, VectorOperation } from '@downpour/contracts';
import { chunksInEpoch, DownpourError, examplesInPush } from '@downpour/contracts';
import type { OutgoingTensor, Tensor } from '@downpour/tensor';
import type { CapturedShard } from '../checkpoint/captured-shard.ts';
import { ledgerToJson } from '../checkpoint/ledger-json.ts';
import { gradientRefusal } from '../gradient-refusal.ts';
import type { LedgerState } from '../ledger.ts';
import { Ledger } from '../ledger.ts';
import type { ApplyOutcome } from '../parameter-shard.ts';
import type { ShardIdentity } from '../shard-identity.ts';
import { encodeIteration } from './iteration-file.ts';
import { NamedVectors } from './named-vectors.ts';
import { PortionSum } from './portion-sum.ts';

/** The vectors whose names mean something to a shard. */
const POINT = 'point';
const GRADIENT = 'gradient';
/** The point of the last iteration that was committed: what evaluations on the test split read. */
const ACCEPTED = 'accepted';
const INCOMING = 'incoming';
/** These four, base, its gradient, and the direction; one to spare. */
const VECTORS_BESIDE_PAIRS = 8;

/** What is stored of an iteration. */
export interface StoredIteration {
  iteration: number;
  /** Of the coordinator, which alone reads it. */
  state: string | null;
  version: number;
  ledger: LedgerState;
  /** `point` among them. */
  vectors: Map<string, Float32Array>;
}

/** What one round did. */
export interface RoundOutcome {
  scalars: number[];
  /** Files to `sealSnapshot` and store. */
  commits: { iteration: number; file: Uint8Array }[];
}

/** One evaluation of the whole batch, while its portions come in. */
interface Gathering {
  evaluation: number;
  /** Sum over its examples, by portion. NaN where that is not finite. */
  losses: Float64Array;
}

/**
 * One shard of a job of Sandblaster L-BFGS (Dean et al. 2012, section 4.2). It holds its slice of every vector and does what it is told with them; it does not know
 * what for. What it does know is how the gradient of an evaluation comes to be: one push of each portion, each once, in whatever order, to the same bits.
 *
 * An evaluation is an epoch of the ledger, a portion a chunk, and a portion has one push. `version` is that of the point: a push that was computed on another is
 * dropped, as is a second one of a portion.
 */
export class BatchShard {
  readonly identity: ShardIdentity;
  readonly #vectors: NamedVectors;
  readonly #ledger: Ledger;
  readonly #sum: PortionSum;
  readonly #portions: number;
  #gathering: Gathering | null = null;
  #version: number;
  #acceptedVersion: number;
  /** As it was at the accepted point. */
  #acceptedLedger: LedgerState;
  #refused = 0;

  private constructor(identity: ShardIdentity, history: number, stored: StoredIteration) {
    this.identity = identity;
    this.#portions = chunksInEpoch(identity.chunks);
    this.#vectors = new NamedVectors(identity.length, VECTORS_BESIDE_PAIRS + 2 * (history + 1));
    for (const [name, values] of stored.vectors) this.#vectors.get(name).set(values);
    this.#vectors.get(ACCEPTED).set(this.#vectors.get(POINT));
    this.#ledger = Ledger.restore(identity.chunks, stored.ledger);
    this.#sum = new PortionSum(identity.length, this.#portions);
    this.#version = stored.version;
    this.#acceptedVersion = stored.version;
    this.#acceptedLedger = stored.ledger;
  }

  /** `history`: pairs of L-BFGS. @throws RangeError when the vectors are not of this shard, or more than its memory holds */
  static restore(identity: ShardIdentity, history: number, stored: StoredIteration): BatchShard {
    for (const [name, { length }] of stored.vectors)
      if (length !== identity.length)
        throw new RangeError(`${name} has ${length} values, and shard ${identity.shard} ${identity.length}`);
    return new BatchShard(identity, history, stored);
  }

  /** The job's beginning. `point`: the shard's own slice. */
  static initial(identity: ShardIdentity, history: number, point: Float32Array, version = 0): BatchShard {
    const ledger = new Ledger(identity.chunks).capture();
    const vectors = new Map([[POINT, point]]);
    return BatchShard.restore(identity, history, { iteration: -1, state: null, version, ledger, vectors });
  }

  /** Of the point that may be pulled. */
  get version(): number {
    return this.#version;
  }
  get acceptedVersion(): number {
    return this.#acceptedVersion;
  }
  get ledger(): Ledger {
    return this.#ledger;
  }
  get bytes(): number {
    return this.#vectors.bytes;
  }

  /** A view: of this version until the next round. */
  point(which: 'point' | 'accepted'): Record<string, OutgoingTensor> {
    const data = this.#vectors.get(which === 'accepted' ? ACCEPTED : POINT);
    return { parameters: { dtype: 'float32', shape: [data.length], data } };
  }

  /** One operation after another; what had been done when one was refused stays done: go back to an iteration then. @throws DownpourError */
  operate(operations: readonly VectorOperation[]): RoundOutcome {
    const scalars: number[] = [];
    const commits: RoundOutcome['commits'] = [];
    for (const operation of operations) {
      if (operation.op === 'gather') this.#gather(operation.evaluation, operation.version);
      else if (operation.op === 'gathered') scalars.push(this.#gathered(operation.evaluation));
      else if (operation.op === 'commit')
        commits.push({ iteration: operation.iteration, file: encodeIteration(this.identity, this.#commit(operation)) });
      else {
        const scalar = this.#vectors.operate(operation);
        if (scalar !== null) scalars.push(scalar);
      }
    }
    return { scalars, commits };
  }

  /** Takes in the gradient of a portion: the sum over its examples. Never throws. */
  apply(header: PushHeader, gradient: Tensor): ApplyOutcome {
    const reason =
      this.#refusal(header) ?? (header.bad ? null : gradientRefusal(gradient, undefined, this.identity.length));
    if (reason !== null) {
      this.#refused += 1;
      return { kind: 'refused', reason };
    }
    const gathering = this.#gathering;
    // A copy of what has been settled, or of an evaluation that was given up by going back to an iteration.
    if (gathering?.evaluation !== header.epoch || header.version !== this.#version) {
      this.#ledger.dropStale();
      return { kind: 'duplicate' };
    }
    if (this.#ledger.dropDuplicate(header)) return { kind: 'duplicate' };
    const { epoch, chunk, examples, loss = NaN } = header;
    const finite = !header.bad && this.#takeIn(gradient) && Number.isFinite(loss);
    gathering.losses[chunk] = finite ? loss : NaN;
    this.#sum.add(chunk, finite ? this.#vectors.get(INCOMING) : null);
    this.#ledger.record(header, examples, finite ? 'applied' : 'bad');
    if (finite) return { kind: 'applied', staleness: 0 };
    return { kind: 'bad', fatal: false, reason: `Evaluation ${epoch} is at a point where the loss is not finite` };
  }

  account(instance: string): ShardLedger {
    return { shard: this.identity.shard, instance, ...this.#ledger.account(), refused: this.#refused };
  }

  /** A copy of the last accepted point. */
  capture(): CapturedShard {
    const { shard, ranges } = this.identity;
    const ledger = ledgerToJson(this.#acceptedLedger);
    return {
      description: { shard, ranges, version: this.#acceptedVersion, ledger },
      slots: [],
      vectors: [this.#vectors.get(ACCEPTED).slice()],
    };
  }

  #gather(evaluation: number, version: number): void {
    if (version <= this.#version)
      throw new DownpourError(
        'conflict',
        `Shard ${this.identity.shard} has a point of version ${this.#version} already`,
      );
    if (!this.#ledger.plans({ epoch: evaluation, chunk: 0, push: 0 }))
      throw new DownpourError('invalid-request', `The job has no evaluation ${evaluation}`);
    this.#version = version;
    this.#sum.clear();
    this.#gathering = { evaluation, losses: new Float64Array(this.#portions) };
  }

  #gathered(evaluation: number): number {
    const gathering = this.#gathering;
    if (gathering?.evaluation !== evaluation || !this.#sum.complete)
      throw new DownpourError(
        'conflict',
        `Shard ${this.identity.shard} has ${gathering?.evaluation === evaluation ? this.#sum.added : 0} of ${this.#portions} portions of evaluation ${evaluation}`,
      );
    const { examples } = this.identity.chunks;
    this.#sum.mean(examples, this.#vectors.get(GRADIENT));
    this.#sum.clear();
    this.#gathering = null;
    return gathering.losses.reduce((sum, loss) => sum + loss, 0) / examples;
  }

  /** Views, not copies. */
  #commit({ iteration, vectors, state }: Extract<VectorOperation, { op: 'commit' }>): StoredIteration {
    this.#vectors.get(ACCEPTED).set(this.#vectors.get(POINT));
    this.#acceptedVersion = this.#version;
    this.#acceptedLedger = this.#ledger.capture();
    const kept = new Map([POINT, ...vectors].map((name) => [name, this.#vectors.get(name)]));
    return { iteration, state, version: this.#version, ledger: this.#acceptedLedger, vectors: kept };
  }

  /** Copied to where the kernels see it. */
  #takeIn({ data }: Tensor): boolean {
    const incoming = this.#vectors.get(INCOMING);
    new Uint8Array(incoming.buffer, incoming.byteOffset, incoming.byteLength).set(data);
    return this.#vectors.allFinite(INCOMING);
  }

  #refusal({ jobId, shard, epoch, chunk, push, examples, ...header }: PushHeader): string | null {
    const { identity } = this;
    if (jobId !== identity.jobId || shard !== identity.shard) return `it is for shard ${shard} of job ${jobId}`;
    if (!this.#ledger.plans({ epoch, chunk, push })) return `there is no portion ${chunk} of evaluation ${epoch}`;
    const planned = examplesInPush(identity.chunks, chunk, push);
    if (examples !== planned) return `it holds ${examples} examples where the portion has ${planned}`;
    return header.bad || header.loss !== undefined ? null : 'it has no loss';
  }
}
