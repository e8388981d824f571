import type { VectorOperation } from '@downpour/contracts';
import type { BatchEvaluation, BatchObjective, KeptIteration } from './ports.ts';

/** Loss and gradient of the whole batch at a point; both in float64. */
export type Function64 = (point: Float64Array) => { loss: number; gradient: Float64Array };

/** An objective in this process, its vectors float32 on several shards: for tests. */
export class MemoryObjective implements BatchObjective {
  rounds = 0;
  evaluations = 0;
  readonly losses: number[] = [];
  readonly stored: { iteration: number; kept: KeptIteration; vectors: Map<string, Float32Array> }[] = [];
  readonly #of: Function64;
  readonly #length: number;
  /** Where each shard begins. */
  readonly #cuts: number[];
  readonly #vectors = new Map<string, Float32Array>();
  #waiting: { iteration: number; accept: readonly VectorOperation[]; kept: KeptIteration } | null = null;

  constructor(of: Function64, start: readonly number[], shards = 3) {
    this.#of = of;
    this.#length = start.length;
    this.#cuts = Array.from({ length: shards }, (_, shard) => Math.floor((shard * start.length) / shards));
    this.vector('point').set(start);
  }

  vector(name: string): Float32Array {
    let vector = this.#vectors.get(name);
    if (vector === undefined) this.#vectors.set(name, (vector = new Float32Array(this.#length)));
    return vector;
  }

  /** As a shard that has died comes back: with what was stored of the iteration and nothing else. */
  restore(at = this.stored.length - 1): string {
    const { kept, vectors } = this.stored[at]!;
    this.#vectors.clear();
    this.#waiting = null;
    for (const [name, vector] of vectors) this.#vectors.set(name, vector.slice());
    return kept.state;
  }

  async evaluate(move: readonly VectorOperation[], then: readonly VectorOperation[]): Promise<BatchEvaluation> {
    const before = this.#round(move);
    this.evaluations += 1;
    const { loss, gradient } = this.#of(Float64Array.from(this.vector('point')));
    this.losses.push(loss);
    this.vector('gradient').set(gradient);
    return { loss, scalars: [...before, ...this.#round(then)] };
  }

  async commit(iteration: number, accept: readonly VectorOperation[], kept: KeptIteration): Promise<void> {
    await this.flush();
    this.#waiting = { iteration, accept, kept };
  }

  async flush(then: readonly VectorOperation[] = []): Promise<void> {
    if (this.#waiting !== null || then.length > 0) this.#round(then);
  }

  #round(operations: readonly VectorOperation[]): number[] {
    this.rounds += 1;
    if (this.#waiting !== null) {
      const { iteration, accept, kept } = this.#waiting;
      this.#waiting = null;
      for (const operation of accept) this.#do(operation);
      const names = ['point', ...kept.vectors];
      this.stored.push({ iteration, kept, vectors: new Map(names.map((name) => [name, this.vector(name).slice()])) });
    }
    return operations.flatMap((operation) => this.#do(operation) ?? []);
  }

  #do(operation: VectorOperation): number | null {
    switch (operation.op) {
      case 'copy':
        this.vector(operation.into).set(this.vector(operation.from));
        return null;
      case 'scale':
        for (const [i, value] of this.vector(operation.vector).entries())
          this.vector(operation.vector)[i] = value * operation.factor;
        return null;
      case 'axpy': {
        const [x, y] = [this.vector(operation.x), this.vector(operation.y)];
        for (let i = 0; i < y.length; i++) y[i] = y[i]! + Math.fround(operation.factor * x[i]!);
        return null;
      }
      case 'dot': {
        const [x, y] = [this.vector(operation.x), this.vector(operation.y)];
        return this.#cuts.reduce((sum, begin, shard) => {
          let part = 0;
          const end = this.#cuts[shard + 1] ?? x.length;
          for (let i = begin; i < end; i++) part += x[i]! * y[i]!;
          return sum + part;
        }, 0);
      }
      default:
        throw new Error(`${operation.op} is not for this objective`);
    }
  }
}
