import type { ParameterLayout, Partitioner, Variable } from '@downpour/contracts';

const BYTES = Float32Array.BYTES_PER_ELEMENT;

/** Pieces along the first axis, by the arithmetic of TensorFlow's partitioners. A scalar stays whole. */
export const piecesOf = ({ shape, length }: Pick<Variable, 'shape' | 'length'>, partitioner: Partitioner): number => {
  const [rows] = shape;
  if (rows === undefined || rows === 0 || length === 0) return 1;
  switch (partitioner.kind) {
    // fixed_size_partitioner
    case 'fixedShards':
      return Math.min(partitioner.shards, rows);
    // min_max_variable_partitioner
    case 'minSize':
      return Math.max(
        1,
        Math.min(rows, partitioner.maxPartitions, Math.ceil((length * BYTES) / partitioner.minSliceBytes)),
      );
    // variable_axis_size_partitioner
    case 'maxSize': {
      const rowsPerPiece = Math.max(1, Math.floor(partitioner.maxShardBytes / ((length / rows) * BYTES)));
      return Math.min(Math.ceil(rows / rowsPerPiece), partitioner.maxShards ?? Infinity);
    }
  }
};

/** The layout with each variable cut into pieces of whole rows, which lie one after the other in the vector; the first ones get the rows that are left over. */
export const partitionVariables = (layout: ParameterLayout, partitioner: Partitioner): ParameterLayout => ({
  ...layout,
  variables: layout.variables.flatMap((variable) => {
    const pieces = piecesOf(variable, partitioner);
    if (pieces === 1) return [variable];
    const [rows = 1, ...rest] = variable.shape;
    const row = variable.length / rows;
    const more = rows % pieces;
    let { offset } = variable;
    return Array.from({ length: pieces }, (_, piece): Variable => {
      const own = Math.floor(rows / pieces) + (piece < more ? 1 : 0);
      const cut = {
        ...variable,
        name: `${variable.name}/part_${piece}`,
        shape: [own, ...rest],
        offset,
        length: own * row,
      };
      offset += cut.length;
      return cut;
    });
  }),
});
