import { createRequire } from 'node:module';
import util from 'node:util';
import type { Backend } from './binding.ts';
import { registerGather } from './gather-kernel.ts';
import { keepLoaded } from './keep-loaded.ts';

export interface TensorFlowOptions {
  /** Threads that one op may use. @default 1, so that workers share a machine fairly; raise it for one worker on a big one. */
  intraOpThreads?: number;
  /** Ops that may run at the same time. @default 1 */
  interOpThreads?: number;
}

export interface TensorFlow {
  tf: typeof import('@tensorflow/tfjs');
  backend: Backend;
  version: string;
  /** The file of tfjs-node's addon. */
  addon: string;
}

let loaded: Promise<TensorFlow> | null = null;

/**
 * Loads tfjs-node into this thread. TensorFlow reads its settings from the environment once for each process, when it is first
 * loaded; what the environment already says wins.
 */
export function loadTensorFlow(options: TensorFlowOptions = {}): Promise<TensorFlow> {
  loaded ??= load(options);
  return loaded;
}

async function load(options: TensorFlowOptions): Promise<TensorFlow> {
  // Levels below error are about the CPU's instruction sets and the like.
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  process.env['TF_NUM_INTRAOP_THREADS'] ??= String(options.intraOpThreads ?? 1);
  // -1: no thread beside the one that calls. Handing each step over to another costs two switches, and that one spins for a while after it.
  const { interOpThreads = 1 } = options;
  process.env['TF_NUM_INTEROP_THREADS'] ??= String(interOpThreads === 1 ? -1 : interOpThreads);
  // oneDNN's kernels: off by default on CPUs without AVX-512 VNNI, yet a small CNN's step takes half the time with them on AVX2 (bench).
  process.env['TF_ENABLE_ONEDNN_OPTS'] ??= '1';
  // Node 23 took these away; tfjs-node still calls them (tfjs issue 8609).
  const old = util as unknown as Record<string, unknown>;
  old['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined;
  old['isArray'] = Array.isArray;
  const { default: tf } = await import('@tensorflow/tfjs-node');
  keepLoaded();
  await tf.ready();
  const backend = tf.backend() as unknown as Backend;
  registerGather(tf as unknown as TensorFlow['tf'], backend.binding);
  return { tf: tf as unknown as TensorFlow['tf'], backend, version: backend.binding.TF_Version, addon: addonFile() };
}

/** tfjs-node looks for it in several places. */
function addonFile(): string {
  const file = Object.keys(createRequire(import.meta.url).cache).find((name) => name.endsWith('tfjs_binding.node'));
  if (file === undefined) throw new Error("tfjs-node has not loaded its addon 'tfjs_binding.node'");
  return file;
}
