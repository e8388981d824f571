import { prune } from './prune.ts';
import { same } from './rewrites/rewrite.ts';
import type { Recording, RecordedTensor, Source } from './recording.ts';

export interface SplitRecording {
  /** Puts out the first outputs of the whole, then what the second half needs of it, `kept` of them. */
  first: Recording;
  /** Puts out the other outputs. Reads `kept_0`, `kept_1` and so on, and inputs of the whole; null where nothing is left to compute. */
  second: Recording | null;
  kept: number;
}

const keptName = (index: number) => `kept_${index}`;

/**
 * A recording as two graphs that run one after the other: what its first `outputs` outputs depend on, and the rest. What the second needs of the first stays with
 * TensorFlow. Nothing but pooling is computed twice.
 */
export function splitRecording(whole: Recording, outputs: number): SplitRecording {
  const { inputs, constants, ops } = whole;
  const needed = reach(whole, whole.outputs.slice(0, outputs));
  const later = reach(whole, [...whole.outputs.slice(outputs), ...whole.effects]);
  const again = pooledFor(whole, later);
  const kept: Extract<Source, { kind: 'op' }>[] = [];
  /** A source of the whole, as the second half has it; its own ops are moved by `prune`. */
  const second = (source: Source): Source => {
    if (source.kind !== 'op' || !needed.has(source.index) || again.has(source.index)) return source;
    let index = kept.findIndex((each) => same(each, source));
    if (index < 0) index = kept.push(source) - 1;
    return { kind: 'input', name: keptName(index) };
  };
  const secondOps = ops.map((op, i) =>
    (later.has(i) && !needed.has(i)) || again.has(i) ? { ...op, inputs: op.inputs.map(second) } : op,
  );
  const secondOutputs = whole.outputs.slice(outputs).map(second);
  const secondEffects = whole.effects.map(second);
  const tensorOf = ({ index, output }: Extract<Source, { kind: 'op' }>): RecordedTensor => ops[index]!.results[output]!;
  const secondInputs = [...inputs, ...kept.map((source, i) => ({ name: keptName(i), ...tensorOf(source) }))];
  const empty = secondOutputs.length + secondEffects.length === 0;
  return {
    first: prune({ inputs, constants, ops, outputs: [...whole.outputs.slice(0, outputs), ...kept], effects: [] }),
    second: empty
      ? null
      : prune({
          inputs: secondInputs,
          constants,
          ops: secondOps,
          // A session must be asked for something.
          outputs: secondOutputs.length > 0 ? secondOutputs : secondEffects.slice(0, 1),
          effects: secondEffects,
        }),
    kept: kept.length,
  };
}

/**
 * Poolings whose gradient is among these ops. TensorFlow takes oneDNN's MaxPoolGrad only where the MaxPool stands in the same graph; its other one takes ten times as long
 * as pooling again does.
 */
function pooledFor({ ops }: Recording, among: ReadonlySet<number>): Set<number> {
  const pooled = new Set<number>();
  for (const index of among) {
    const { name, inputs } = ops[index]!;
    const output = name === 'MaxPoolGrad' ? inputs[1]! : null;
    if (output?.kind === 'op' && ops[output.index]!.name === 'MaxPool') pooled.add(output.index);
  }
  return pooled;
}

/** Ops that these depend on. */
function reach({ ops }: Recording, from: readonly Source[]): Set<number> {
  const reached = new Set<number>();
  const open = [...from];
  while (open.length > 0) {
    const source = open.pop()!;
    if (source.kind !== 'op' || reached.has(source.index)) continue;
    reached.add(source.index);
    open.push(...ops[source.index]!.inputs);
  }
  return reached;
}
