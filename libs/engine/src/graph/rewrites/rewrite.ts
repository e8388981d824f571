import type { Binding } from '../../tensorflow/binding.ts';
import type { RecordedOp, RecordedTensor, Recording, Source } from '../recording.ts';

/** What stands at a source in the recording, for rules that look for patterns. */
export interface View {
  binding: Binding;
  opOf(source: Source | undefined): RecordedOp | null;
  tensorOf(source: Source): RecordedTensor;
  /** The constant's values, if it is one. */
  valuesOf(source: Source | undefined): ArrayLike<number> | null;
  /** The first op of this name that reads only this source, earlier than the one being looked at. */
  readerOf(source: Source, name: string): Source | null;
}

/** A rule looks at one op, whose inputs are rewritten already, and says what to put in its place: an op of the same result, or that very result. */
export type Rewrite = (op: RecordedOp, view: View) => RecordedOp | Source | null;

export function attribute(op: RecordedOp, name: string): unknown {
  return op.attributes.find((each) => each.name === name)?.value;
}

/** The recording with each op as the first rule that knows it has it. Op by op the results are the same. */
export function rewrite(recording: Recording, rules: readonly Rewrite[], binding: Binding): Recording {
  const ops: RecordedOp[] = [];
  /** By op of the old recording: its results in the new one. */
  const places: Source[][] = [];
  const moved = (source: Source): Source => (source.kind === 'op' ? places[source.index]![source.output]! : source);
  const view: View = {
    binding,
    opOf: (source) => (source?.kind === 'op' ? ops[source.index]! : null),
    tensorOf: (source) => {
      if (source.kind === 'op') return ops[source.index]!.results[source.output]!;
      if (source.kind === 'constant') return recording.constants[source.index]!;
      return recording.inputs.find(({ name }) => name === source.name)!;
    },
    valuesOf: (source) => (source?.kind === 'constant' ? recording.constants[source.index]!.values : null),
    readerOf: (source, name) => {
      const index = ops.findIndex((op) => op.name === name && op.inputs.length === 1 && same(op.inputs[0]!, source));
      return index < 0 ? null : { kind: 'op', index, output: 0 };
    },
  };
  for (const old of recording.ops) {
    let op: RecordedOp = { ...old, inputs: old.inputs.map(moved) };
    let result: Source | null = null;
    for (const rule of rules) {
      const replacement = rule(op, view);
      if (!replacement) continue;
      if ('kind' in replacement) {
        result = replacement;
        break;
      }
      op = replacement;
    }
    if (result) places.push([result]);
    else {
      const index = ops.push(op) - 1;
      places.push(op.results.map((_, output) => ({ kind: 'op', index, output })));
    }
  }
  return { ...recording, ops, outputs: recording.outputs.map(moved), effects: recording.effects.map(moved) };
}

export function same(a: Source, b: Source): boolean {
  if (a.kind === 'input') return b.kind === 'input' && a.name === b.name;
  if (a.kind === 'constant') return b.kind === 'constant' && a.index === b.index;
  return b.kind === 'op' && a.index === b.index && a.output === b.output;
}
