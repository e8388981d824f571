import { invalidModel } from './invalid-model.ts';
import type { LayerNode } from './topology.ts';

/**
 * Every call of a layer must have what it reads: tfjs tries forever where layers read each other in a circle, or a call that is never made. A layer may be used
 * several times, so calls are followed, not layers. `path` leads to the layers in the job's spec.
 */
export function checkCircles(layers: readonly LayerNode[], path: string): void {
  const made = new Map(layers.map(({ config, inbound_nodes: calls }) => [config.name, calls?.length ? 0 : 1]));
  let open = layers.flatMap((layer, index) => (layer.inbound_nodes ?? []).map((call) => ({ layer, index, call })));
  while (open.length > 0) {
    const waiting = open.filter(({ layer, call }) => {
      if (!call.every(([source, node]) => node < made.get(source)!)) return true;
      made.set(layer.config.name, made.get(layer.config.name)! + 1);
      return false;
    });
    if (waiting.length === open.length) {
      const { index } = waiting[0]!;
      const names = [...new Set(waiting.map(({ layer }) => layer.config.name))].slice(0, 10).join(', ');
      throw invalidModel(
        `${path}[${index}].inbound_nodes`,
        `Layers wait for each other in a circle, or for a call that is not made: ${names}. Each must read only what is computed before it.`,
      );
    }
    open = waiting;
  }
}
