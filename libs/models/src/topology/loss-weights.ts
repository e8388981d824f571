import { invalidModel } from './invalid-model.ts';
import { describe, isObject } from './json.ts';
import { outputLayersOf, type Topology } from './topology.ts';

/**
 * The topology with a weight for the loss of each output: `weights` in the outputs' order, or by the names of their layers (1 for those
 * that are not named), as Keras's `compile(loss_weights=...)` takes them. `path`: where they stand in the job's spec.
 * @throws DownpourError invalid-model
 */
export function withLossWeights(topology: Topology, weights: unknown, path: string): Topology {
  if (weights === undefined || weights === null) return topology;
  const names = outputLayersOf(topology).map((layer) => layer.config.name);
  const list = isObject(weights) ? byName(weights, names, path) : weights;
  if (!Array.isArray(list) || list.length !== names.length)
    throw invalidModel(
      path,
      `Expected a weight for each of the ${names.length} outputs (${names.join(', ')}), got ${describe(weights)}.`,
    );
  const wrong = list.find((weight) => typeof weight !== 'number' || !(weight >= 0) || !Number.isFinite(weight));
  if (wrong !== undefined) throw invalidModel(path, `Expected numbers of at least 0, got ${describe(wrong)}.`);
  if (list.every((weight) => weight === 0))
    throw invalidModel(path, 'With every weight 0 there is nothing to learn. Give one output a weight above 0.');
  return { ...topology, loss_weights: list as number[] };
}

function byName(weights: Record<string, unknown>, names: string[], path: string): unknown[] {
  const stranger = Object.keys(weights).find((name) => !names.includes(name));
  if (stranger !== undefined)
    throw invalidModel(path, `${describe(stranger)} is no output. The outputs are ${names.join(', ')}.`);
  return names.map((name) => weights[name] ?? 1);
}
