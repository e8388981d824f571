import { permutation } from '@downpour/datasets';

/** Epochs under way at once: two for each of a few jobs. An order of 10 million examples takes 40 MB. */
const MAX_ORDERS = 8;

/** The orders of the epochs that are being served, so that a chunk does not shuffle the whole epoch again. */
export class OrderCache {
  readonly #orders = new Map<string, Uint32Array>();

  order(seed: number, epoch: number, examples: number): Uint32Array {
    const key = `${seed} ${epoch} ${examples}`;
    const order = this.#orders.get(key) ?? permutation(seed, epoch, examples);
    this.#orders.delete(key);
    this.#orders.set(key, order);
    if (this.#orders.size > MAX_ORDERS) this.#orders.delete(this.#orders.keys().next().value!);
    return order;
  }
}
