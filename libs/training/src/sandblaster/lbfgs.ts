import type { VectorOperation } from '@downpour/contracts';
import { LineSearch } from './line-search.ts';
import type { BatchObjective } from './ports.ts';
import type { HistoryProducts } from './two-loop.ts';
import { direction } from './two-loop.ts';

export interface LbfgsOptions {
  /** Pairs that the curvature is estimated from. @default 10 */
  history?: number;
  /** @default 100 */
  maxIterations?: number;
  /** Of the whole batch, line searches included. @default Infinity */
  maxEvaluations?: number;
  /** Ends when the gradient's norm is at most so much of max(1, norm of the parameters). @default 1e-5 */
  gradientTolerance?: number;
  /** Ends when an iteration lowers the loss by less than so much of it. scipy's L-BFGS-B has 2.2e-9. @default 1e-8 */
  lossTolerance?: number;
}

export type StopReason = 'gradient' | 'loss' | 'iterations' | 'evaluations' | 'no-progress';

/**
 * All that has to outlive whoever minimises, beside the vectors on the shards: what is known at the point of the last accepted iteration. Plain JSON.
 */
export interface LbfgsState extends HistoryProducts {
  iteration: number;
  evaluations: number;
  loss: number;
  /** g . g */
  gradientSquare: number;
  /** x . x */
  pointSquare: number;
  stopped: StopReason | null;
}

/** A pair whose curvature is so small beside what the line search expected says nothing but rounding. */
const LEAST_CURVATURE = 1e-8;

const copy = (from: string, into: string): VectorOperation => ({ op: 'copy', from, into });
const axpy = (factor: number, x: string, y: string): VectorOperation => ({ op: 'axpy', factor, x, y });
const dot = (x: string, y: string): VectorOperation => ({ op: 'dot', x, y });
const S = (slot: number): string => `s${slot}`;
const Y = (slot: number): string => `y${slot}`;

/**
 * L-BFGS with the vectors elsewhere (Dean et al. 2012, section 4.2; Nocedal and Wright, algorithm 7.5). The vectors: `point` and `gradient` of the evaluation;
 * `base` and `baseGradient`, those of the iteration; `direction`; s0, y0, ... the pairs, one more than `history`, as the pair of a point is made before it is known
 * whether the line search accepts it. So an evaluation costs two rounds, and nothing else costs any.
 */
export class Lbfgs {
  readonly #objective: BatchObjective;
  readonly #options: Required<LbfgsOptions>;
  #state: LbfgsState | null;
  #evaluations: number;
  /** Sent with the next move: the iteration's point becomes the base, or the base the point again. */
  #pending: VectorOperation[] = [];

  /** `state`: the iteration whose vectors are on the shards; null: only `point`, where it begins. */
  constructor(objective: BatchObjective, options: LbfgsOptions = {}, state: LbfgsState | null = null) {
    this.#objective = objective;
    this.#options = {
      history: options.history ?? 10,
      maxIterations: options.maxIterations ?? 100,
      maxEvaluations: options.maxEvaluations ?? Infinity,
      gradientTolerance: options.gradientTolerance ?? 1e-5,
      lossTolerance: options.lossTolerance ?? 1e-8,
    };
    this.#state = state;
    this.#evaluations = state?.evaluations ?? 0;
    // What is stored of an iteration is its point.
    if (state !== null) this.#pending.push(copy('point', 'base'));
  }

  get state(): LbfgsState | null {
    return this.#state;
  }

  /**
   * Iterates until a stopping rule says so, or `goOn` does not any more; asked after each iteration, which is stored by then or soon will be. At the end the
   * accepted point is in `point`.
   */
  async run(goOn: (state: LbfgsState) => boolean | Promise<boolean> = () => true): Promise<LbfgsState> {
    this.#state ??= await this.#begin();
    while (this.#state.stopped === null && (await goOn(this.#state))) await this.#iterate(this.#state);
    await this.#objective.flush([...this.#pending, copy('base', 'point')]);
    this.#pending = [];
    return this.#state;
  }

  async #begin(): Promise<LbfgsState> {
    const { loss, scalars } = await this.#evaluate([], [dot('gradient', 'gradient'), dot('point', 'point')]);
    const [gradientSquare = NaN, pointSquare = NaN] = scalars;
    if (!Number.isFinite(loss + gradientSquare))
      throw new RangeError('Loss or gradient at the beginning is not a number: look for extreme values in the data');
    const state: LbfgsState = {
      iteration: 0,
      evaluations: this.#evaluations,
      loss,
      gradientSquare,
      pointSquare,
      stopped: null,
      slots: [],
      sy: [],
      yy: [],
      sg: [],
      yg: [],
    };
    return this.#accept(state, null);
  }

  async #iterate(state: LbfgsState): Promise<void> {
    const found = await this.#search(state);
    if (found !== null) {
      this.#state = await this.#accept(found, state.loss);
      return;
    }
    // What the pairs say leads nowhere: once more along the gradient alone; if that does not help either, this is as far as the numbers go.
    const evaluations = this.#evaluations;
    if (state.slots.length > 0 && evaluations < this.#options.maxEvaluations)
      this.#state = { ...state, evaluations, slots: [] };
    else {
      const stopped = evaluations < this.#options.maxEvaluations ? 'no-progress' : 'evaluations';
      // The same point: an iteration that changes nothing but the counts.
      this.#state = await this.#store({ ...state, iteration: state.iteration + 1, evaluations, stopped }, [
        copy('base', 'point'),
      ]);
    }
  }

  /** Along the quasi-Newton direction; null when no step is good enough. */
  async #search(state: LbfgsState): Promise<LbfgsState | null> {
    const { maxEvaluations } = this.#options;
    let history = state;
    let coefficients = direction(history);
    let slope = slopeOf(history, coefficients);
    if (!(slope < 0)) {
      history = { ...state, slots: [] };
      coefficients = direction(history);
      slope = slopeOf(history, coefficients);
    }
    if (!(slope < 0)) return null;
    const first = history.slots.length === 0 ? Math.min(1, 1 / Math.sqrt(state.gradientSquare)) : 1;
    const line = new LineSearch(state.loss, slope, first);
    const slot = this.#freeSlot(history);
    const kept = history.slots.slice(Math.max(0, history.slots.length + 1 - this.#options.history));
    const pairs = [...kept, slot];
    let form: VectorOperation[] = [
      copy('baseGradient', 'direction'),
      { op: 'scale', vector: 'direction', factor: coefficients.gradient },
      ...[...coefficients.s].map(([i, factor]) => axpy(factor, S(i), 'direction')),
      ...[...coefficients.y].map(([i, factor]) => axpy(factor, Y(i), 'direction')),
    ];
    for (;;) {
      if (this.#evaluations >= maxEvaluations) return null;
      const { step } = line;
      const move = [...form, copy('base', 'point'), axpy(step, 'direction', 'point')];
      form = [];
      const { loss, scalars } = await this.#evaluate(move, pairOperations(slot, pairs));
      const [along = NaN, gradientSquare = NaN, pointSquare = NaN, ...products] = scalars;
      const verdict = line.next(loss, along);
      if (verdict === 'failed') return null;
      if (verdict === 'evaluate') continue;
      const found: LbfgsState = {
        ...history,
        iteration: state.iteration + 1,
        evaluations: this.#evaluations,
        loss,
        gradientSquare,
        pointSquare,
      };
      return withPair(found, slot, pairs, products, -slope * step);
    }
  }

  #evaluate(move: VectorOperation[], then: VectorOperation[]) {
    this.#evaluations += 1;
    const before = this.#pending;
    this.#pending = [];
    return this.#objective.evaluate([...before, ...move], then);
  }

  async #accept(state: LbfgsState, lossBefore: number | null): Promise<LbfgsState> {
    const { maxIterations, maxEvaluations, gradientTolerance, lossTolerance } = this.#options;
    const { loss, iteration, evaluations, gradientSquare, pointSquare } = state;
    let stopped: StopReason | null = null;
    if (Math.sqrt(gradientSquare) <= gradientTolerance * Math.max(1, Math.sqrt(pointSquare))) stopped = 'gradient';
    else if (lossBefore !== null && lossBefore - loss <= lossTolerance * Math.max(Math.abs(lossBefore), Math.abs(loss)))
      stopped = 'loss';
    else if (iteration >= maxIterations) stopped = 'iterations';
    else if (evaluations >= maxEvaluations) stopped = 'evaluations';
    return this.#store({ ...state, stopped }, [copy('point', 'base'), copy('gradient', 'baseGradient')]);
  }

  async #store(state: LbfgsState, accept: VectorOperation[] = []): Promise<LbfgsState> {
    const operations = [...this.#pending, ...accept];
    this.#pending = [];
    const vectors = ['baseGradient', ...state.slots.flatMap((slot) => [S(slot), Y(slot)])];
    await this.#objective.commit(state.iteration, operations, { vectors, state: JSON.stringify(state) });
    return state;
  }

  #freeSlot({ slots }: LbfgsState): number {
    for (let slot = 0; ; slot++) if (!slots.includes(slot)) return slot;
  }
}

/** direction . gradient, from the products alone. */
const slopeOf = (
  state: LbfgsState,
  { gradient, s, y }: { gradient: number; s: Map<number, number>; y: Map<number, number> },
): number => {
  let slope = gradient * state.gradientSquare;
  for (const [i, factor] of s) slope += factor * state.sg[i]!;
  for (const [i, factor] of y) slope += factor * state.yg[i]!;
  return slope;
};

/** The pair of the point, and all products with it, and with the gradient. */
const pairOperations = (slot: number, pairs: readonly number[]): VectorOperation[] => [
  dot('gradient', 'direction'),
  dot('gradient', 'gradient'),
  dot('point', 'point'),
  copy('point', S(slot)),
  axpy(-1, 'base', S(slot)),
  copy('gradient', Y(slot)),
  axpy(-1, 'baseGradient', Y(slot)),
  ...pairs.flatMap((i) => [dot(S(i), 'gradient'), dot(Y(i), 'gradient'), dot(S(i), Y(slot)), dot(Y(i), Y(slot))]),
];

/** The state with the products of the new pair; without the pair when it says nothing. */
const withPair = (
  state: LbfgsState,
  slot: number,
  pairs: readonly number[],
  products: readonly number[],
  expected: number,
): LbfgsState => {
  const square = (matrix: number[][]) => matrix.map((row) => [...row]);
  const [sy, yy, sg, yg] = [square(state.sy), square(state.yy), [...state.sg], [...state.yg]];
  sy[slot] ??= [];
  yy[slot] ??= [];
  for (const [at, i] of pairs.entries()) {
    const [sGradient = NaN, yGradient = NaN, sNew = NaN, yNew = NaN] = products.slice(4 * at, 4 * at + 4);
    sg[i] = sGradient;
    yg[i] = yGradient;
    (sy[i] ??= [])[slot] = sNew;
    (yy[i] ??= [])[slot] = yNew;
    yy[slot]![i] = yNew;
  }
  const curved = sy[slot]![slot]! > LEAST_CURVATURE * expected;
  return { ...state, slots: curved ? [...pairs] : pairs.slice(0, -1), sy, yy, sg, yg };
};
