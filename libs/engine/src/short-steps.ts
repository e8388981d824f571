import { createRequire } from 'node:module';
import { DownpourError } from '@downpour/contracts';
import { LoadedGraph, reasonOf } from './graph/loaded-graph.ts';
import type { Batch } from './step/batch.ts';
import { gradientInputs, piecesOf, type GradientPiece } from './step/gradient-pieces.ts';
import { hostTensors } from './step/step-inputs.ts';
import type { Binding } from './tensorflow/binding.ts';
import { usedInPlace } from './tensorflow/in-place.ts';
import type { ReplicaPlan, ThreadStep, ThreadStepGraph } from './thread/messages.ts';

/** A step that blocks its thread for less is hardly noticed by what waits there: a heartbeat is due every few seconds, a message waits as long behind another. */
const SHORT_MS = 3;
/** One that has become longer goes back to TensorFlow's thread. */
const LONG_MS = 6;
/** The least of so many steps is what a step takes: the others were interrupted. */
const LOOKED_AT = 16;
/** Batch sizes of a job: full ones, the last of a chunk and of an epoch. */
const SIZES = 4;

interface Size {
  graph: LoadedGraph | null;
  inputShape: readonly number[];
  steps: number;
  leastMs: number;
  asked: boolean;
}

/**
 * Steps so short that handing them over costs as much as they do. To wake TensorFlow's thread and be woken takes some tenths of a millisecond of CPU, and parameters
 * and gradients have to come from another core's cache: a step of 0.8 ms costs 1.6. So once the steps of a batch size have shown to be short, their graph is loaded
 * into the calling thread as well, and runs there. Its first run, in which TensorFlow optimizes it, takes some 50 ms, once.
 */
export class ShortSteps {
  readonly #plan: Pick<ReplicaPlan, 'layout' | 'dataset'>;
  readonly #pieces: readonly GradientPiece[];
  readonly #sizes = new Map<string, Size>();
  #binding: Binding | null = null;
  #disposed = false;

  constructor(plan: Pick<ReplicaPlan, 'layout' | 'dataset'>) {
    this.#plan = plan;
    this.#pieces = piecesOf(plan.layout);
  }

  /** Whether such a step is run here. */
  has(batch: Batch, gradient: Float32Array): boolean {
    const graph = this.#sizes.get(keyOf(batch))?.graph ?? null;
    return graph !== null && usedInPlace(this.#binding!, gradient);
  }

  /**
   * One that this `has`, after a turn of the event loop: what has come meanwhile is seen to between two steps. Null when it has it no more by then.
   * @throws DownpourError internal when TensorFlow fails
   */
  async run(parameters: Float32Array, batch: Batch, seed: number, gradient: Float32Array): Promise<ThreadStep | null> {
    await turn();
    const size = this.#sizes.get(keyOf(batch))!;
    const { inputShape, graph } = size;
    if (graph === null) return null;
    const { layout, dataset } = this.#plan;
    const binding = this.#binding!;
    const began = performance.now();
    try {
      const [stats] = graph.run({
        ...hostTensors(binding, { inputShape, layout, dataset }, parameters, batch, seed),
        ...gradientInputs(binding, this.#pieces, gradient),
      });
      const computeMs = performance.now() - began;
      if (look(size, computeMs) === 'long') this.#forget(size);
      return { loss: stats![0]!, correct: stats![1]!, computeMs, fellBack: null };
    } catch (error) {
      this.#forget(size);
      throw new DownpourError('internal', `TensorFlow failed in step: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** A step was run in TensorFlow's thread. `graph` asks for what it ran. */
  ran(batch: Batch, computeMs: number, graph: () => Promise<ThreadStepGraph | null>): void {
    const key = keyOf(batch);
    let size = this.#sizes.get(key);
    if (size === undefined) {
      if (this.#sizes.size === SIZES) return;
      this.#sizes.set(key, (size = { graph: null, inputShape: [], steps: 0, leastMs: Infinity, asked: false }));
    }
    if (size.asked || look(size, computeMs) !== 'short') return;
    size.asked = true;
    // Without it steps go on in TensorFlow's thread.
    void graph()
      .then((found) => found && this.#load(size, found))
      .catch(() => undefined);
  }

  dispose(): void {
    this.#disposed = true;
    for (const size of this.#sizes.values()) this.#forget(size);
  }

  #load(size: Size, { addon, inputShape, graph }: ThreadStepGraph): void {
    if (this.#disposed) return;
    this.#binding ??= createRequire(import.meta.url)(addon) as Binding;
    size.inputShape = inputShape;
    size.graph = new LoadedGraph(this.#binding, graph);
  }

  #forget(size: Size): void {
    size.graph?.dispose();
    size.graph = null;
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

const keyOf = ({ count, features }: Batch): string => `${count} ${features instanceof Uint8Array}`;

/** What the steps looked at were; null while there are too few. */
function look(size: Size, ms: number): 'short' | 'long' | 'between' | null {
  size.steps += 1;
  size.leastMs = Math.min(size.leastMs, ms);
  if (size.steps < LOOKED_AT) return null;
  const least = size.leastMs;
  size.steps = 0;
  size.leastMs = Infinity;
  return least < SHORT_MS ? 'short' : least > LONG_MS ? 'long' : 'between';
}
