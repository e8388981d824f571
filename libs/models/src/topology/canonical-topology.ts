import { invalidModel } from './invalid-model.ts';
import { canonicalLayer } from './canonical-layer.ts';
import { checkCircles } from './check-circles.ts';
import { canonicalInboundNodes, inputOrigin, outputOrigins } from './connections.ts';
import { describe, isObject, listAt, objectAt, type Json } from './json.ts';
import { withLossWeights } from './loss-weights.ts';
import type { LayerNode, Topology } from './topology.ts';

/** Where topologies stand in a job's spec. */
const FIELD = 'model.topology';
const MAX_LAYERS = 2_000;

/**
 * Brings a topology as Keras 2 (`model.to_json()`), Keras 3 or tfjs (`model.toJSON()`, or the `modelTopology` of a `model.json`)
 * write it into the one form that the project stores. Sequential and Functional, one input; of several outputs the first is the main one.
 * Loads no TensorFlow.
 * @throws DownpourError invalid-model, naming the field and what would be right.
 */
export function canonicalTopology(json: unknown): Topology {
  let topology = objectAt(json, FIELD);
  let path = FIELD;
  for (const wrapper of ['modelTopology', 'model_config']) {
    if (!isObject(topology[wrapper])) continue;
    topology = topology[wrapper];
    path = `${path}.${wrapper}`;
  }
  const className = topology['class_name'];
  // tfjs and old Keras call a functional model `Model`.
  const functional = className === 'Functional' || className === 'Model';
  if (!functional && className !== 'Sequential')
    throw invalidModel(`${path}.class_name`, `Expected Sequential or Functional, got ${describe(className)}.`);
  const config: Json = Array.isArray(topology['config'])
    ? { layers: topology['config'] }
    : objectAt(topology['config'], `${path}.config`);
  const at = Array.isArray(topology['config']) ? `${path}.config` : `${path}.config.layers`;
  const given = listAt(config['layers'], at);
  if (given.length === 0) throw invalidModel(at, 'A model needs at least one layer.');
  if (given.length > MAX_LAYERS)
    throw invalidModel(at, `A model may have ${MAX_LAYERS} layers, this one has ${given.length}.`);
  const layers = given.map((layer, i) => {
    const canonical = canonicalLayer(layer, `${at}[${i}]`);
    if (!functional) return canonical;
    const inbound = canonicalInboundNodes((layer as Json)['inbound_nodes'], `${at}[${i}].inbound_nodes`);
    return { ...canonical, name: canonical.config.name, inbound_nodes: inbound };
  });
  checkNames(layers, at);
  if (functional) checkCircles(layers, at);
  const name = typeof config['name'] === 'string' ? config['name'] : 'model';
  const canonical: Topology = {
    class_name: functional ? 'Functional' : 'Sequential',
    config: {
      name,
      layers,
      ...(functional
        ? {
            input_layers: inputOrigin(config['input_layers'], `${path}.config.input_layers`),
            output_layers: outputOrigins(config['output_layers'], `${path}.config.output_layers`),
          }
        : {}),
    },
    keras_version: '2.15.0',
    backend: 'tensorflow',
  };
  checkOutputNames(canonical, `${path}.config.output_layers`);
  return withLossWeights(canonical, topology['loss_weights'], `${path}.loss_weights`);
}

/** Throws what is wrong with a topology; for the API, before a job is made. */
export function checkTopology(json: unknown): void {
  canonicalTopology(json);
}

function checkOutputNames({ config: { layers, output_layers: outputs } }: Topology, path: string): void {
  for (const [name] of outputs ?? [])
    if (!layers.some((layer) => layer.config.name === name))
      throw invalidModel(path, `There is no layer named ${describe(name)}.`);
}

function checkNames(layers: LayerNode[], path: string): void {
  const seen = new Map<string, number>();
  layers.forEach((layer, i) => {
    const { name } = layer.config;
    const before = seen.get(name);
    if (before !== undefined)
      throw invalidModel(`${path}[${i}].config.name`, `${describe(name)} is already the name of layer ${before}.`);
    seen.set(name, i);
  });
  layers.forEach((layer, i) =>
    layer.inbound_nodes?.flat().forEach(([name]) => {
      if (!seen.has(name))
        throw invalidModel(`${path}[${i}].inbound_nodes`, `There is no layer named ${describe(name)}.`);
    }),
  );
}
