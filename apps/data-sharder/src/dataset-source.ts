import type { DatasetFile, DatasetSpec } from '@downpour/contracts';
import type { BuiltInId } from '@downpour/datasets';

/** Where the bytes of a data set come from. */
export type DatasetSource =
  { kind: 'builtIn'; id: BuiltInId } | { kind: 'uploaded'; spec: DatasetSpec; files: readonly DatasetFile[] };

/** Equal for sources that give equal examples: the name of an upload plays no part, its content does. */
export const sourceKey = (source: DatasetSource): string => {
  if (source.kind === 'builtIn') return `built-in ${source.id}`;
  const files = source.files.map(({ field, digest }) => `${field}=${digest}`).sort();
  return JSON.stringify([
    Object.entries(source.spec)
      .filter(([key]) => key !== 'name')
      .sort(),
    files,
  ]);
};
