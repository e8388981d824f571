/** What a micro-batch takes in one stage of a pipeline, in milliseconds. */
export interface Stage {
  forward: number;
  backward: number;
}

/** Of all stages' time in a step, the share in which they have nothing to do: 1F1B with a flush, equal stages (Narayanan et al. 2021, section 2.2). */
export const bubbleOfEqual = (stages: number, microBatches: number): number =>
  (stages - 1) / (microBatches + stages - 1);

/** The same of stages that are not equal, whose tensors cross in no time. */
export function bubbleOf(stages: readonly Stage[], microBatches: number): number {
  const busy = microBatches * stages.reduce((sum, { forward, backward }) => sum + forward + backward, 0);
  return 1 - busy / (stages.length * stepMs(stages, microBatches));
}

/** A step by the rule of PipelinedStep (libs/training), of a line of stages: a backward first, then a forward while no more are under way than stages are to come. */
function stepMs(stages: readonly Stage[], microBatches: number): number {
  const line = stages.map((stage) => ({ ...stage, free: 0, forwarded: [] as number[], backwarded: [] as number[] }));
  const next = () => {
    const possible = line.flatMap((stage, s) => {
      const { free, forward, backward, forwarded, backwarded } = stage;
      const [f, b] = [forwarded.length, backwarded.length];
      const input = s === 0 ? 0 : line[s - 1]!.forwarded[f];
      const gradient = s === line.length - 1 ? forwarded[b] : line[s + 1]!.backwarded[b];
      const tasks = [];
      if (b < f && gradient !== undefined)
        tasks.push({ stage, at: Math.max(free, gradient), ms: backward, done: backwarded });
      if (f < microBatches && f - b < line.length - s && input !== undefined)
        tasks.push({ stage, at: Math.max(free, input), ms: forward, done: forwarded });
      return tasks;
    });
    // Of those that could begin at the same moment the first of a stage is its backward.
    return possible.reduce((first, task) => (task.at < first.at ? task : first), possible[0]!);
  };
  for (let left = 2 * line.length * microBatches; left > 0; left--) {
    const { stage, at, ms, done } = next();
    stage.free = at + ms;
    done.push(stage.free);
  }
  return Math.max(...line.map(({ free }) => free));
}
