import type { PushHeader } from '@downpour/contracts';
import type { Tensor } from '@downpour/tensor';
import type { PushKey } from '../ledger.ts';
import type { LoggedPush } from '../ports.ts';

/** A copy of a push that waits for its step. */
export interface HeldPush {
  header: PushHeader;
  /** Null: it is not finite, and counts for the step without changing it. */
  gradient: Tensor | null;
  scales?: Tensor;
  sequence: number;
  firstSequence: number;
}

/** Pushes of the step that is being put together. They are not settled: a replay of the log brings them again. */
export class HeldPushes {
  #pushes: HeldPush[] = [];

  get count(): number {
    return this.#pushes.length;
  }

  has({ epoch, chunk, push }: PushKey): boolean {
    return this.#pushes.some(({ header }) => header.epoch === epoch && header.chunk === chunk && header.push === push);
  }

  hasOf(worker: string): boolean {
    return this.#pushes.some(({ header }) => header.worker === worker);
  }

  /** Copies what the log lends. */
  add({ header, gradient, scales, sequence, firstSequence }: LoggedPush, finite: boolean): void {
    this.#pushes.push({
      header,
      gradient: finite ? copyOf(gradient) : null,
      ...(scales && finite && { scales: copyOf(scales) }),
      sequence,
      firstSequence,
    });
  }

  /**
   * All of them, in the order of the plan: a sum of floats depends on its order, and gradients of one step come in any. So two runs with the same gradients in each step have the
   * same bits.
   */
  takeAll(): HeldPush[] {
    const pushes = this.#pushes;
    this.#pushes = [];
    return pushes.sort(({ header: a }, { header: b }) => a.epoch - b.epoch || a.chunk - b.chunk || a.push - b.push);
  }

  /** Their places in the log. */
  get sequences(): number[] {
    return this.#pushes.map(({ sequence }) => sequence);
  }

  /** A replay must begin before this place; Infinity where nothing is held. */
  get firstSequence(): number {
    return Math.min(...this.#pushes.map(({ firstSequence }) => firstSequence));
  }
}

const copyOf = (tensor: Tensor): Tensor => ({ ...tensor, data: tensor.data.slice() });
