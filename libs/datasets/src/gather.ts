import type { WrittenData } from '@downpour/tensor';

type Values = Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
type Kind<T> = new (...where: [length: number] | [buffer: ArrayBufferLike, byteOffset: number, length: number]) => T;

/** Up to so many values a row is copied sooner one by one than as a view. */
const NARROW = 32;

/** Rows `order[begin..end)` of a row-major array, or rows begin..end themselves without an order; always a copy. */
export const gatherRows = <T extends Values>(
  source: T,
  width: number,
  order: Uint32Array | null,
  begin: number,
  end: number,
): T => {
  const out = new (source.constructor as Kind<T>)((end - begin) * width);
  gatherInto(out, source, width, order, begin, end);
  return out;
};

/** The same rows, copied when they are written, to where they are sent from. */
export const rowsToSend = <T extends Values>(
  source: T,
  width: number,
  order: Uint32Array | null,
  begin: number,
  end: number,
): WrittenData => {
  const length = (end - begin) * width;
  return {
    byteLength: length * source.BYTES_PER_ELEMENT,
    writeTo: ({ buffer, byteOffset }) => {
      const out = new (source.constructor as Kind<T>)(buffer, byteOffset, length);
      gatherInto(out, source, width, order, begin, end);
    },
  };
};

const gatherInto = <T extends Values>(
  out: T,
  source: T,
  width: number,
  order: Uint32Array | null,
  begin: number,
  end: number,
): void => {
  if (order === null) return out.set(source.subarray(begin * width, end * width));
  for (let i = begin, at = 0; i < end; i++, at += width) {
    const from = order[i]! * width;
    if (width > NARROW) out.set(source.subarray(from, from + width), at);
    else for (let j = 0; j < width; j++) out[at + j] = source[from + j]!;
  }
};
