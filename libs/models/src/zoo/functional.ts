import type { LayerNode, TensorOrigin, Topology } from '../topology/topology.ts';

/** Builds a `Functional` topology: each layer is added with the names of those it reads. */
export class Functional {
  readonly #layers: LayerNode[] = [];

  /** Returns the layer's name. */
  add({ class_name, config }: LayerNode, ...inputs: string[]): string {
    const { name } = config;
    const call = inputs.map((input): [string, number, number, Record<string, never>] => [input, 0, 0, {}]);
    this.#layers.push({ class_name, config, name, inbound_nodes: call.length > 0 ? [call] : [] });
    return name;
  }

  /** One layer after the other; returns the last one's name. */
  chain(layers: LayerNode[], input: string): string {
    return layers.reduce((before, layer) => this.add(layer, before), input);
  }

  /** `outputs`: the main one first, each with the weight of its loss. */
  topology(name: string, outputs: [string, number][]): Topology {
    const origin = (layer: string): TensorOrigin => [layer, 0, 0];
    const [main, ...others] = outputs.map(([layer]) => origin(layer));
    return {
      class_name: 'Functional',
      config: {
        name,
        layers: this.#layers,
        input_layers: [origin(this.#layers[0]!.config.name)],
        output_layers: [main!, ...others],
      },
      keras_version: '2.15.0',
      backend: 'tensorflow',
      ...(others.length > 0 ? { loss_weights: outputs.map(([, weight]) => weight) } : {}),
    };
  }
}
