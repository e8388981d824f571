type Values = Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/** Rows `order[begin..end)` of a row-major array, or rows begin..end themselves without an order; always a copy. */
export const gatherRows = <T extends Values>(
  source: T,
  width: number,
  order: Uint32Array | null,
  begin: number,
  end: number,
): T => {
  if (order === null) return source.slice(begin * width, end * width) as T;
  const out = new (source.constructor as new (length: number) => T)((end - begin) * width);
  for (let i = begin; i < end; i++) {
    const row = order[i]!;
    if (width === 1) out[i - begin] = source[row]!;
    else out.set(source.subarray(row * width, (row + 1) * width), (i - begin) * width);
  }
  return out;
};
