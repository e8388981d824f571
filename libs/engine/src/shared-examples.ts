import type { Examples } from '@downpour/training';
import { sharedMemory } from './shared-vectors.ts';

/** A chunk that is trained and a part of a test set that is evaluated meanwhile. */
const KEPT = 2;
/** Labels begin where TensorFlow reads them without a copy. */
const ALIGNMENT_BYTES = 64;

interface Kept {
  origin: Examples;
  memory: SharedArrayBuffer;
  copy: Examples;
  users: number;
}

/**
 * Examples in memory that both threads see: copied once, when their first step comes, so that a step names rows instead of sending
 * them. Memory is used again for the next ones, but not while a step is under way on it.
 */
export class SharedExamples {
  /** The longest unused first. */
  readonly #kept: Kept[] = [];

  /** Calls `body` with these examples in shared memory: the given ones themselves where they already are. */
  async use<Result>(examples: Examples, body: (shared: Examples) => Promise<Result>): Promise<Result> {
    if (isShared(examples.features) && isShared(examples.labels)) return body(examples);
    const kept = this.#find(examples) ?? this.#add(examples);
    kept.users += 1;
    try {
      return await body(kept.copy);
    } finally {
      kept.users -= 1;
    }
  }

  #find({ features, labels }: Examples): Kept | null {
    const index = this.#kept.findIndex(({ origin }) => origin.features === features && origin.labels === labels);
    if (index < 0) return null;
    const [kept] = this.#kept.splice(index, 1) as [Kept];
    this.#kept.push(kept);
    return kept;
  }

  #add(origin: Examples): Kept {
    const copy = copyOf(origin, (bytes) => this.#memory(bytes));
    const kept: Kept = { origin, memory: copy.features.buffer as SharedArrayBuffer, copy, users: 0 };
    this.#kept.push(kept);
    return kept;
  }

  /** That of the examples which make room, where it is large enough. */
  #memory(bytes: number): SharedArrayBuffer {
    if (this.#kept.length >= KEPT) {
      const index = this.#kept.findIndex(({ users }) => users === 0);
      const [unused] = index < 0 ? [] : this.#kept.splice(index, 1);
      if (unused && unused.memory.byteLength >= bytes) return unused.memory;
    }
    return sharedMemory(bytes);
  }
}

/** The next ones of a few jobs at most. */
const MOST_IDLE = 4;
const MOST_IDLE_BYTES = 64 * 2 ** 20;

/** Memory for examples that come one after the other, used again: what is new must be zeroed first, page by page, which takes several times as long as to copy them. */
export class ExamplesMemory {
  /** The longest unused first. */
  readonly #idle: SharedArrayBuffer[] = [];

  /** A copy that steps read where it is: for whoever wants the memory back in which examples were received. */
  copy(examples: Examples): Examples {
    return copyOf(examples, (bytes) => this.#take(bytes));
  }

  /** Of a copy that nobody reads any more. What is not given back is garbage, no more. */
  giveBack({ features }: Examples): void {
    this.#idle.push(features.buffer as SharedArrayBuffer);
    while (this.#idle.length > MOST_IDLE || this.#idleBytes > MOST_IDLE_BYTES) this.#idle.shift();
  }

  #take(bytes: number): SharedArrayBuffer {
    const index = this.#idle.findIndex(({ byteLength }) => byteLength >= bytes);
    return index < 0 ? sharedMemory(bytes) : this.#idle.splice(index, 1)[0]!;
  }

  get #idleBytes(): number {
    return this.#idle.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }
}

function copyOf({ count, features, labels }: Examples, allocate: (bytes: number) => SharedArrayBuffer): Examples {
  const labelsAt = Math.ceil(features.byteLength / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  const memory = allocate(labelsAt + labels.byteLength);
  return {
    count,
    features: copied(features, memory, 0),
    labels: copied(labels, memory, labelsAt) as Examples['labels'],
  };
}

function isShared({ buffer }: ArrayBufferView): boolean {
  return buffer instanceof SharedArrayBuffer;
}

function copied<Values extends Uint8Array | Float32Array | Int32Array>(
  values: Values,
  memory: SharedArrayBuffer,
  offset: number,
): Values {
  const Type = values.constructor as new (buffer: SharedArrayBuffer, offset: number, length: number) => Values;
  // Node's Buffer is a Uint8Array with a pool of its own.
  const copy =
    values instanceof Uint8Array
      ? (new Uint8Array(memory, offset, values.length) as unknown as Values)
      : new Type(memory, offset, values.length);
  copy.set(values as never);
  return copy;
}
