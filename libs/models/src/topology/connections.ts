import { invalidModel } from './invalid-model.ts';
import { describe, isObject, listAt } from './json.ts';
import type { LayerNode, TensorOrigin } from './topology.ts';

/** Keras 2: [[["input_1", 0, 0, {}], ...], ...], one list for each call. Keras 3: [{ args: [tensor or list of tensors], kwargs }]. */
export function canonicalInboundNodes(value: unknown, path: string): NonNullable<LayerNode['inbound_nodes']> {
  return listAt(value ?? [], path).map((call, i) => {
    const at = `${path}[${i}]`;
    if (isObject(call)) {
      return tensorsIn(listAt(call['args'], `${at}.args`), `${at}.args`).map(
        (origin) => [...origin, {}] as [string, number, number, Record<string, never>],
      );
    }
    const tensors = listAt(call, at);
    // A call of one tensor may stand without its list.
    const list = typeof tensors[0] === 'string' ? [tensors] : tensors;
    return list.map((tensor, j) => [...canonicalOrigin(tensor, `${at}[${j}]`), {}]);
  });
}

/** Of a model with one input. */
export function inputOrigin(value: unknown, path: string): [TensorOrigin] {
  const origins = originsIn(value, path);
  if (origins.length !== 1)
    throw invalidModel(path, `Models with one input are supported, this one has ${origins.length}.`);
  return [origins[0]!];
}

/** Of one output or several, none of them twice. */
export function outputOrigins(value: unknown, path: string): [TensorOrigin, ...TensorOrigin[]] {
  const [main, ...others] = originsIn(value, path);
  if (!main) throw invalidModel(path, 'A model needs at least one output, this one has 0.');
  const seen = new Set<string>();
  for (const [name, ...place] of [main, ...others]) {
    const key = JSON.stringify([name, ...place]);
    if (seen.has(key)) throw invalidModel(path, `${describe(name)} is an output twice. Name each output once.`);
    seen.add(key);
  }
  return [main, ...others];
}

/** [[name, node, tensor], ...], as Keras 2 writes it; a single one may stand without its list (Keras 3). */
function originsIn(value: unknown, path: string): TensorOrigin[] {
  const list = listAt(value, path);
  const single = typeof list[0] === 'string';
  return (single ? [list] : list).map((origin, i) => canonicalOrigin(origin, single ? path : `${path}[${i}]`));
}

function tensorsIn(args: unknown[], path: string): TensorOrigin[] {
  return args.flatMap((arg, i): TensorOrigin[] => {
    const at = `${path}[${i}]`;
    if (Array.isArray(arg)) return tensorsIn(arg, at);
    if (isObject(arg) && arg['class_name'] === '__keras_tensor__' && isObject(arg['config']))
      return [canonicalOrigin(arg['config']['keras_history'], `${at}.config.keras_history`)];
    throw invalidModel(at, `Expected a tensor of another layer, got ${describe(arg)}.`);
  });
}

function canonicalOrigin(value: unknown, path: string): TensorOrigin {
  const list = listAt(value, path);
  const [name, node, tensor] = list;
  if (typeof name !== 'string' || !Number.isInteger(node) || !Number.isInteger(tensor))
    throw invalidModel(path, `Expected [layer, node, tensor], got ${describe(value)}.`);
  if (isObject(list[3]) && Object.keys(list[3]).length > 0)
    throw invalidModel(`${path}[3]`, `Arguments of a layer's call are not supported, got ${describe(list[3])}.`);
  return [name, node as number, tensor as number];
}
