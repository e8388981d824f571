import type { Topology } from './topology.ts';

/** Initialisers that draw numbers. */
const RANDOM = /^(RandomNormal|RandomUniform|TruncatedNormal|VarianceScaling|Glorot\w+|He\w+|LeCun\w+|Orthogonal)$/;
const GLOROT = { class_name: 'GlorotUniform', config: {} };
const RECURRENT = { kernel_initializer: GLOROT, recurrent_initializer: { class_name: 'Orthogonal', config: {} } };
/** What a layer without a say uses (Keras's defaults). */
const DEFAULTS: Record<string, Record<string, unknown>> = {
  Dense: { kernel_initializer: GLOROT },
  Conv1D: { kernel_initializer: GLOROT },
  Conv2D: { kernel_initializer: GLOROT },
  Conv2DTranspose: { kernel_initializer: GLOROT },
  DepthwiseConv2D: { depthwise_initializer: GLOROT },
  SeparableConv2D: { depthwise_initializer: GLOROT, pointwise_initializer: GLOROT },
  Embedding: { embeddings_initializer: { class_name: 'RandomUniform', config: {} } },
  SimpleRNN: RECURRENT,
  LSTM: RECURRENT,
  GRU: RECURRENT,
};

/** Gives every initialiser that draws numbers a seed of its own, so that one seed gives one model. Seeds that the user wrote stay. */
export function seededTopology(topology: Topology, seed: number): Topology {
  let drawn = 0;
  const layers = topology.config.layers.map((layer) => {
    const config = { ...layer.config };
    for (const [key, initializer] of Object.entries(DEFAULTS[layer.class_name] ?? {})) config[key] ??= initializer;
    for (const key of Object.keys(config)) {
      if (!key.endsWith('_initializer')) continue;
      const { class_name, config: settings } = config[key] as { class_name: string; config: Record<string, unknown> };
      if (!RANDOM.test(class_name)) continue;
      drawn += 1;
      config[key] = { class_name, config: { seed: mixed(seed, drawn), ...settings } };
    }
    return { ...layer, config };
  });
  return { ...topology, config: { ...topology.config, layers } };
}

/** One of the 2^31 seeds that follow from a job's seed (murmur3's finaliser); never 0, which tfjs takes for none. */
function mixed(seed: number, index: number): number {
  let h = Math.imul(seed ^ Math.imul(index, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 1 || 1;
}
