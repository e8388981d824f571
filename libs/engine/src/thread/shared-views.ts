type Values = Uint8Array | Float32Array | Int32Array;

/**
 * An array in shared memory, named to the other thread: the memory itself travels with the first array in it only. Sent each time it would become
 * a new object over there each time, which the garbage collector counts by its size: it then collects all day.
 */
export interface SharedView {
  kind: 'uint8' | 'float32' | 'int32';
  memory: number;
  /** With the first array in this memory. */
  buffer?: SharedArrayBuffer;
  offset: number;
  length: number;
  /** Memory that will not be named again. */
  forget?: number;
}

const KINDS = { uint8: Uint8Array, float32: Float32Array, int32: Int32Array };
/** Parameters, gradients of outstanding pushes and two chunks: a dozen. Beyond that something allocates anew for every step. */
const KNOWN = 32;

/** What the sending side has told of. */
export class ViewSender {
  /** In order of use. */
  readonly #known = new Map<ArrayBufferLike, number>();
  #next = 0;

  /** Of an array in shared memory. To be sent in the order of making. */
  view(values: Values): SharedView {
    const { buffer, byteOffset: offset, length } = values;
    const kind = values instanceof Float32Array ? 'float32' : values instanceof Int32Array ? 'int32' : 'uint8';
    const known = this.#known.get(buffer);
    const memory = known ?? this.#next++;
    this.#known.delete(buffer);
    this.#known.set(buffer, memory);
    const view: SharedView = { kind, memory, offset, length };
    if (known !== undefined) return view;
    if (!(buffer instanceof SharedArrayBuffer)) throw new TypeError('An array in shared memory is needed');
    view.buffer = buffer;
    if (this.#known.size > KNOWN) {
      const [oldest, number] = this.#known.entries().next().value!;
      this.#known.delete(oldest);
      view.forget = number;
    }
    return view;
  }
}

/** What the receiving side knows. */
export class ViewReceiver {
  readonly #known = new Map<number, SharedArrayBuffer>();

  array(view: SharedView): Values {
    const { kind, memory, buffer, offset, length, forget } = view;
    if (buffer) this.#known.set(memory, buffer);
    if (forget !== undefined) this.#known.delete(forget);
    const known = this.#known.get(memory);
    if (!known) throw new Error(`Shared memory ${memory} has not been told of`);
    const Kind = KINDS[kind] as new (buffer: SharedArrayBuffer, offset: number, length: number) => Values;
    return new Kind(known, offset, length);
  }

  vector(view: SharedView): Float32Array {
    return this.array(view) as Float32Array;
  }
}
