import { DownpourError } from '@downpour/contracts';
import { allFinite } from './finite.ts';
import type { PushKey } from './gradient-window.ts';
import type { ReplicaContext } from './ports.ts';

/** A job that skips many bad gradients says so this often. */
const TOLD_EVERY_MS = 1000;

/** What a replica does about gradients that are not finite, as its job wants it (`onBadGradient`). */
export class BadGradients {
  readonly #context: ReplicaContext;
  #count = 0;
  #toldMs = -Infinity;

  constructor(context: ReplicaContext) {
    this.#context = context;
  }

  /** @throws DownpourError diverged when the loss is not finite and the job is to fail then */
  checkLoss(loss: number, { epoch, chunk }: Pick<PushKey, 'epoch' | 'chunk'>): boolean {
    const finite = Number.isFinite(loss);
    if (!finite && !this.#skips) throw diverged(`The loss became ${loss}`, epoch, chunk);
    return finite;
  }

  /** Tells that a push is dropped. @throws DownpourError diverged when the job is to fail then, or can do nothing else. */
  drop({ epoch, chunk, push }: Pick<PushKey, 'epoch' | 'chunk' | 'push'>, parameters: Float32Array): void {
    if (!this.#skips) throw diverged('A gradient had NaN or infinity in it', epoch, chunk);
    // On such parameters every gradient is bad: skipping would end with a model that is nothing but NaN.
    if (!allFinite(this.#context.parameters, parameters))
      throw diverged('The parameters themselves have NaN or infinity in them', epoch, chunk);
    this.#count += 1;
    const now = performance.now();
    if (now - this.#toldMs < TOLD_EVERY_MS) return;
    this.#toldMs = now;
    const { instance, report } = this.#context;
    report({
      type: 'problem',
      at: new Date().toISOString(),
      instance,
      code: 'bad-gradient',
      message:
        `Push ${push} of chunk ${chunk} of epoch ${epoch} was dropped: NaN or infinity in its gradient or loss ` +
        `(${this.#count} of this worker so far)`,
      fatal: false,
      chunk: { epoch, chunk },
    });
  }

  get #skips(): boolean {
    return this.#context.plan.spec.onBadGradient === 'skip';
  }
}

function diverged(what: string, epoch: number, chunk: number): DownpourError {
  return new DownpourError(
    'diverged',
    `${what} in chunk ${chunk} of epoch ${epoch}: training has diverged. Lower updateRule.learningRate, or look for extreme ` +
      'values in the data (normalisation: "standard" helps). With many workers gradients are stale: strategy async with ' +
      'stalenessScaling: "inverse", or a smaller rate, trains on. onBadGradient: "skip" would drop a few of these and go on.',
  );
}
