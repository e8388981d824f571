import type { DatasetSummary } from '@downpour/contracts';
import type { LayerNode, Topology } from '@downpour/models/topology';
import { IMAGES, layer, numbers, ROWS, SEQUENCES } from './small-models.ts';

export interface RandomModel {
  dataset: DatasetSummary;
  topology: Topology;
  /** Its layers' classes, for messages. */
  text: string;
}

type Kind = 'rows' | 'images' | 'sequences';
const DATASETS: Record<Kind, DatasetSummary> = { rows: ROWS, images: IMAGES, sequences: SEQUENCES };
/** Smooth ones: finite differences do not see kinks. */
const ACTIVATIONS = ['tanh', 'sigmoid', 'softplus', 'swish', 'gelu', 'elu', 'linear'];
const JOINS = ['Add', 'Multiply', 'Average', 'Concatenate'];

/** A small model drawn from a seed: a chain of supported layers with branches that join again. */
export function randomModel(seed: number, kind: Kind): RandomModel {
  return new Draw(seed, kind).model();
}

class Draw {
  readonly #kind: Kind;
  readonly #next: () => number;
  readonly #layers: LayerNode[] = [];
  #last: string;

  constructor(seed: number, kind: Kind) {
    this.#kind = kind;
    this.#next = numbers(seed);
    this.#last = this.#add('InputLayer', { batch_input_shape: [null, ...DATASETS[kind].featureShape] });
  }

  model(): RandomModel {
    const steps = 1 + this.#whole(4);
    for (let i = 0; i < steps; i++) {
      if (this.#next() < 0.3) this.#branch();
      else this.#last = this.#middle(this.#last);
    }
    const dataset = DATASETS[this.#kind];
    if (this.#kind !== 'rows') this.#last = this.#flat(this.#last);
    this.#last = this.#add('Dense', { units: dataset.classes, activation: 'softmax' }, this.#last);
    const topology: Topology = {
      class_name: 'Functional',
      config: {
        name: 'random',
        layers: this.#layers,
        input_layers: [[this.#layers[0]!.config.name, 0, 0]],
        output_layers: [[this.#last, 0, 0]],
      },
      keras_version: '2.15.0',
      backend: 'tensorflow',
    };
    return { dataset, topology, text: this.#layers.map(({ class_name }) => class_name).join(', ') };
  }

  #whole(below: number): number {
    return Math.floor(this.#next() * below);
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#whole(list.length)]!;
  }

  #add(class_name: string, config: Record<string, unknown>, ...inputs: string[]): string {
    const name = `${class_name.toLowerCase()}_${this.#layers.length}`;
    const call = inputs.map((input): [string, number, number, Record<string, never>] => [input, 0, 0, {}]);
    this.#layers.push({ ...layer(class_name, config, name), name, inbound_nodes: inputs.length > 0 ? [call] : [] });
    return name;
  }

  /** Two layers of one shape on the same input, joined. */
  #branch(): void {
    const width = 2 + this.#whole(3);
    const [left, right] = [this.#weighted(this.#last, width), this.#weighted(this.#last, width)];
    this.#last = this.#add(this.#one(JOINS), {}, left, right);
  }

  #middle(input: string): string {
    const choice = this.#next();
    if (choice < 0.5) return this.#weighted(input, 2 + this.#whole(4));
    if (choice < 0.65) return this.#add('Activation', { activation: this.#one(ACTIVATIONS) }, input);
    if (choice < 0.75) return this.#add('Dropout', { rate: 0.2 + 0.4 * this.#next() }, input);
    if (choice < 0.85) return this.#add('LayerNormalization', { axis: -1, epsilon: 1e-2 }, input);
    return this.#add('BatchNormalization', { momentum: 0.9, epsilon: 1e-2 }, input);
  }

  /** A layer with weights whose output has this width, and otherwise the shape of its input. */
  #weighted(input: string, width: number): string {
    const activation = this.#one(ACTIVATIONS);
    const common = {
      activation,
      use_bias: this.#next() < 0.8,
      ...(this.#next() < 0.3 ? { kernel_regularizer: { class_name: 'L1L2', config: { l1: 0.01, l2: 0.02 } } } : {}),
      ...(this.#next() < 0.2 ? { bias_regularizer: { class_name: 'L2', config: { l2: 0.05 } } } : {}),
    };
    if (this.#kind === 'rows' || this.#next() < 0.2) return this.#add('Dense', { units: width, ...common }, input);
    const shared = { filters: width, padding: 'same', ...common };
    if (this.#kind === 'images')
      return this.#add('Conv2D', { ...shared, kernel_size: this.#one([[1, 1], [3, 3], [2, 3]]) }, input); // prettier-ignore
    const className = this.#one(['Conv1D', 'SimpleRNN', 'LSTM', 'GRU']);
    if (className === 'Conv1D') return this.#add(className, { ...shared, kernel_size: this.#one([1, 2, 3]) }, input);
    return this.#add(className, { units: width, return_sequences: true, ...common, activation: 'tanh' }, input);
  }

  #flat(input: string): string {
    const pool = this.#kind === 'images' ? 'GlobalAveragePooling2D' : 'GlobalAveragePooling1D';
    return this.#next() < 0.5 ? this.#add('Flatten', {}, input) : this.#add(pool, {}, input);
  }
}
