import { isLowerBetter, metricOf } from '@downpour/contracts';
import type { Evaluation, Metric, Patience } from '@downpour/contracts';

/** An evaluation more: has it improved on the best by more than `minDelta`, or has one more been waited for? One that does not tell the metric changes nothing. */
export function patienceAfter(
  { metric, minDelta }: { metric: Metric; minDelta: number },
  { best, waited }: Patience,
  evaluation: Evaluation,
): Patience {
  const value = metricOf(evaluation, metric);
  if (value === null) return { best, waited };
  const gain = best === null ? Infinity : isLowerBetter(metric) ? best - value : value - best;
  return gain > minDelta ? { best: value, waited: 0 } : { best, waited: waited + 1 };
}
