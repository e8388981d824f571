/** A value of the objective along the line, and its slope there. */
export interface LinePoint {
  step: number;
  loss: number;
  slope: number;
}

export interface LineSearchOptions {
  /** c1 of the strong Wolfe conditions: enough decrease. @default 1e-4 */
  decrease?: number;
  /** c2: the slope has become this much flatter. @default 0.9 */
  curvature?: number;
  /** Gives up after so many evaluations. @default 20 */
  maxEvaluations?: number;
}

/** An interval that is known to within this is not cut further. */
const INTERVAL_TOLERANCE = 0.1;
const LONGEST_STEP = 1e10;
const EXTRAPOLATE_LEAST = 1.1;
const EXTRAPOLATE_MOST = 4;

export type LineSearchVerdict = 'evaluate' | 'accept' | 'failed';

/**
 * Moré and Thuente's line search (1994; MINPACK-2's dcsrch, which scipy's L-BFGS-B uses, too): safeguarded cubic and quadratic interpolation towards a step that
 * meets the strong Wolfe conditions. Evaluate at `step`, tell `next` what came out, until it says that the step is good.
 *
 * A loss that is not finite is no error: the step was too long, and is halved.
 */
export class LineSearch {
  step: number;
  evaluations = 0;
  readonly #start: LinePoint;
  readonly #test: number;
  readonly #flat: number;
  readonly #maxEvaluations: number;
  #longest = LONGEST_STEP;
  #best: LinePoint;
  #other: LinePoint;
  #bracketed = false;
  #firstStage = true;
  #width = LONGEST_STEP;
  #widthBefore = 2 * LONGEST_STEP;
  #least = 0;
  #most: number;

  /** @throws RangeError when the line does not lead downhill */
  constructor(loss: number, slope: number, step: number, options: LineSearchOptions = {}) {
    if (!(slope < 0)) throw new RangeError(`The slope ${slope} does not lead downhill`);
    const { decrease = 1e-4, curvature = 0.9, maxEvaluations = 20 } = options;
    this.step = step;
    this.#start = { step: 0, loss, slope };
    this.#best = this.#start;
    this.#other = this.#start;
    this.#test = decrease * slope;
    this.#flat = -curvature * slope;
    this.#maxEvaluations = maxEvaluations;
    this.#most = step + EXTRAPOLATE_MOST * step;
  }

  /** What was found at `step`. On `evaluate` there is a new `step`; on `accept` the step just evaluated is it. */
  next(loss: number, slope: number): LineSearchVerdict {
    this.evaluations += 1;
    if (!Number.isFinite(loss) || !Number.isFinite(slope)) return this.#shorten();
    const { step } = this;
    const bound = this.#start.loss + step * this.#test;
    const decreased = loss <= bound;
    if (decreased && Math.abs(slope) <= this.#flat) return 'accept';
    if (this.#firstStage && decreased && slope >= 0) this.#firstStage = false;
    const stuck =
      (this.#bracketed && (step <= this.#least || step >= this.#most)) ||
      (this.#bracketed && this.#most - this.#least <= INTERVAL_TOLERANCE * this.#most) ||
      this.evaluations >= this.#maxEvaluations;
    // The interval cannot be cut any finer: good enough if it got lower at all.
    if (stuck || (step === this.#longest && decreased && slope <= this.#test))
      return loss < this.#start.loss ? 'accept' : 'failed';
    this.#advance({ step, loss, slope }, bound);
    return 'evaluate';
  }

  #shorten(): LineSearchVerdict {
    if (this.evaluations >= this.#maxEvaluations) return 'failed';
    this.#longest = this.step;
    this.#most = Math.min(this.#most, this.step);
    this.step = this.#best.step + (this.step - this.#best.step) / 2;
    return 'evaluate';
  }

  #advance(point: LinePoint, bound: number): void {
    // In the first stage a function is looked at whose minimiser meets the first condition.
    if (this.#firstStage && point.loss <= this.#best.loss && point.loss > bound) {
      const tilt = (p: LinePoint, sign: number): LinePoint => ({
        step: p.step,
        loss: p.loss - sign * p.step * this.#test,
        slope: p.slope - sign * this.#test,
      });
      const moved = this.#interpolate(tilt(this.#best, 1), tilt(this.#other, 1), tilt(point, 1));
      this.#best = tilt(moved.best, -1);
      this.#other = tilt(moved.other, -1);
      this.step = moved.step;
    } else {
      const moved = this.#interpolate(this.#best, this.#other, point);
      this.#best = moved.best;
      this.#other = moved.other;
      this.step = moved.step;
    }
    const best = this.#best.step;
    const other = this.#other.step;
    if (this.#bracketed) {
      if (Math.abs(other - best) >= 0.66 * this.#widthBefore) this.step = best + 0.5 * (other - best);
      this.#widthBefore = this.#width;
      this.#width = Math.abs(other - best);
      this.#least = Math.min(best, other);
      this.#most = Math.max(best, other);
    } else {
      this.#least = this.step + EXTRAPOLATE_LEAST * (this.step - best);
      this.#most = this.step + EXTRAPOLATE_MOST * (this.step - best);
    }
    this.step = Math.min(Math.max(this.step, 0), this.#longest);
    const spent = this.#bracketed && this.#most - this.#least <= INTERVAL_TOLERANCE * this.#most;
    if ((this.#bracketed && (this.step <= this.#least || this.step >= this.#most)) || spent) this.step = best;
  }

  /** MINPACK-2's dcstep: the next step, and the ends of the interval that holds a minimiser. */
  #interpolate(best: LinePoint, other: LinePoint, at: LinePoint): { best: LinePoint; other: LinePoint; step: number } {
    const opposite = at.slope * Math.sign(best.slope) < 0;
    const secant = at.step + (at.slope / (at.slope - best.slope)) * (best.step - at.step);
    let step: number;
    if (at.loss > best.loss) {
      const cubic = cubicStep(best, at);
      const run = at.step - best.step;
      const quadratic = best.step + (best.slope / ((best.loss - at.loss) / run + best.slope) / 2) * run;
      step = Math.abs(cubic - best.step) < Math.abs(quadratic - best.step) ? cubic : cubic + (quadratic - cubic) / 2;
      this.#bracketed = true;
    } else if (opposite) {
      const cubic = cubicStep(at, best);
      step = Math.abs(cubic - at.step) > Math.abs(secant - at.step) ? cubic : secant;
      this.#bracketed = true;
    } else if (Math.abs(at.slope) < Math.abs(best.slope)) {
      const cubic = this.#flattening(best, at);
      if (this.#bracketed) {
        step = Math.abs(cubic - at.step) < Math.abs(secant - at.step) ? cubic : secant;
        const limit = at.step + 0.66 * (other.step - at.step);
        step = at.step > best.step ? Math.min(limit, step) : Math.max(limit, step);
      } else {
        step = Math.abs(cubic - at.step) > Math.abs(secant - at.step) ? cubic : secant;
        step = Math.min(Math.max(step, this.#least), this.#most);
      }
    } else if (this.#bracketed) step = cubicStep(at, other);
    else step = at.step > best.step ? this.#most : this.#least;
    if (at.loss > best.loss) return { best, other: at, step };
    return { best: at, other: opposite ? best : other, step };
  }

  /** The cubic through both ends may have its minimiser beyond `at`, or none. */
  #flattening(best: LinePoint, at: LinePoint): number {
    const { theta, scale } = cubicTerms(best, at);
    const root = scale * Math.sqrt(Math.max(0, (theta / scale) ** 2 - (best.slope / scale) * (at.slope / scale)));
    const gamma = at.step > best.step ? -root : root;
    const ratio = (gamma - at.slope + theta) / (gamma + (best.slope - at.slope) + gamma);
    if (ratio < 0 && gamma !== 0) return at.step + ratio * (best.step - at.step);
    return at.step > best.step ? this.#most : this.#least;
  }
}

const cubicTerms = (from: LinePoint, to: LinePoint): { theta: number; scale: number } => {
  const theta = (3 * (from.loss - to.loss)) / (to.step - from.step) + from.slope + to.slope;
  return { theta, scale: Math.max(Math.abs(theta), Math.abs(from.slope), Math.abs(to.slope)) };
};

/** Minimiser of the cubic with these values and slopes, as a step from `from` towards `to` (Nocedal and Wright 3.59). */
const cubicStep = (from: LinePoint, to: LinePoint): number => {
  const { theta, scale } = cubicTerms(from, to);
  const root = scale * Math.sqrt(Math.max(0, (theta / scale) ** 2 - (from.slope / scale) * (to.slope / scale)));
  const gamma = to.step < from.step ? -root : root;
  const ratio = (gamma - from.slope + theta) / (gamma - from.slope + gamma + to.slope);
  return from.step + ratio * (to.step - from.step);
};
