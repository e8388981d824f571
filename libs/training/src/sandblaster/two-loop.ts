/** The products that the two-loop recursion is made of. Matrices and vectors are indexed by slot. */
export interface HistoryProducts {
  /** Slots in use, the oldest pair first. */
  slots: number[];
  /** s_i . y_j, of the pairs i no newer than j. */
  sy: number[][];
  /** y_i . y_j, both ways. */
  yy: number[][];
  /** s_i . g */
  sg: number[];
  /** y_i . g */
  yg: number[];
}

/** A direction as a combination of the gradient and the pairs. */
export interface DirectionCoefficients {
  gradient: number;
  /** By slot. */
  s: Map<number, number>;
  y: Map<number, number>;
}

/**
 * The two-loop recursion (Nocedal and Wright 7.4) on nothing but the products: every vector that it works on is a combination of g, s_i and y_i, so whoever knows
 * their products needs no vector. That makes it one round of dots and one of axpys, where the recursion itself would need 4m rounds that wait for each other
 * (Chen, Wang and Zhou 2014 do the same with MapReduce).
 */
export const direction = ({ slots, sy, yy, sg, yg }: HistoryProducts): DirectionCoefficients => {
  const s = new Map<number, number>();
  const y = new Map<number, number>();
  const newest = slots.at(-1);
  if (newest === undefined) return { gradient: -1, s, y };
  const alpha = new Map<number, number>();
  for (let at = slots.length - 1; at >= 0; at--) {
    const i = slots[at]!;
    let product = sg[i]!;
    for (let later = at + 1; later < slots.length; later++) {
      const j = slots[later]!;
      product -= alpha.get(j)! * sy[i]![j]!;
    }
    alpha.set(i, product / sy[i]![i]!);
  }
  const gamma = sy[newest]![newest]! / yy[newest]![newest]!;
  for (const [at, i] of slots.entries()) {
    let product = yg[i]!;
    for (const j of slots) product -= alpha.get(j)! * yy[i]![j]!;
    product *= gamma;
    for (let earlier = 0; earlier < at; earlier++) {
      const j = slots[earlier]!;
      product -= s.get(j)! * sy[j]![i]!;
    }
    // r is - sum s(i) s_i here: the sign of the direction is taken at once.
    s.set(i, product / sy[i]![i]! - alpha.get(i)!);
    y.set(i, gamma * alpha.get(i)!);
  }
  return { gradient: -gamma, s, y };
};
