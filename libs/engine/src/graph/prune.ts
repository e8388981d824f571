import type { Recording, Source } from './recording.ts';

/** Without what no output or effect depends on: ops of the trace whose results were dropped, and their constants. */
export function prune(recording: Recording): Recording {
  const { inputs, constants, ops, outputs, effects } = recording;
  const needed = new Set<string>();
  const open = [...outputs, ...effects];
  while (open.length > 0) {
    const source = open.pop()!;
    const key = keyOf(source);
    if (needed.has(key)) continue;
    needed.add(key);
    if (source.kind === 'op') open.push(...ops[source.index]!.inputs);
  }
  const keep = <T>(kind: 'constant' | 'op', list: T[]) => {
    const places = new Map<number, number>();
    const kept = list.filter((_, index) => {
      if (!needed.has(`${kind}:${index}`)) return false;
      places.set(index, places.size);
      return true;
    });
    return { kept, places };
  };
  const keptConstants = keep('constant', constants);
  const keptOps = keep('op', ops);
  const moved = (source: Source): Source => {
    if (source.kind === 'input') return source;
    const places = source.kind === 'op' ? keptOps.places : keptConstants.places;
    return { ...source, index: places.get(source.index)! };
  };
  return {
    inputs: inputs.filter(({ name }) => needed.has(`input:${name}`)),
    constants: keptConstants.kept,
    ops: keptOps.kept.map((op) => ({ ...op, inputs: op.inputs.map(moved) })),
    outputs: outputs.map(moved),
    effects: effects.map(moved),
  };
}

function keyOf(source: Source): string {
  return source.kind === 'input' ? `input:${source.name}` : `${source.kind}:${source.index}`;
}
