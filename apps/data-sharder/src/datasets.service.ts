import type { InspectDatasetRequest } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { isBuiltIn } from '@downpour/datasets';
import type { LoadedDataset } from '@downpour/datasets';
import type { DatasetCache } from './dataset-cache.ts';
import type { DatasetLoader } from './dataset-loader.ts';
import { sourceKey } from './dataset-source.ts';
import type { DatasetSource } from './dataset-source.ts';
import type { DatasetRecords } from './ports.ts';

/** Data sets by id, in memory once somebody asked. */
export class DatasetsService {
  readonly #records: DatasetRecords;
  readonly #loader: DatasetLoader;
  readonly #cache: DatasetCache;
  /** What an id stands for never changes, so it is looked up once. */
  readonly #sources = new Map<string, DatasetSource>();

  constructor(records: DatasetRecords, loader: DatasetLoader, cache: DatasetCache) {
    this.#records = records;
    this.#loader = loader;
    this.#cache = cache;
  }

  /** @throws DownpourError not-found */
  async byId(datasetId: string): Promise<LoadedDataset> {
    return this.#load(await this.#source(datasetId));
  }

  /** Reads a data set that may have no record yet; it stays in memory for the job that is likely to follow. */
  inspect({ datasetId, source }: Pick<InspectDatasetRequest, 'datasetId' | 'source'>): Promise<LoadedDataset> {
    if (source.kind === 'uploaded') return this.#load(source);
    if (!isBuiltIn(datasetId)) throw unknown(datasetId);
    return this.#load({ kind: 'builtIn', id: datasetId });
  }

  #load(source: DatasetSource): Promise<LoadedDataset> {
    return this.#cache.get(sourceKey(source), () => this.#loader.load(source));
  }

  async #source(datasetId: string): Promise<DatasetSource> {
    if (isBuiltIn(datasetId)) return { kind: 'builtIn', id: datasetId };
    const known = this.#sources.get(datasetId);
    if (known !== undefined) return known;
    const record = await this.#records.record(datasetId);
    if (record?.spec === undefined) throw unknown(datasetId);
    const source: DatasetSource = { kind: 'uploaded', spec: record.spec, files: record.files };
    this.#sources.set(datasetId, source);
    return source;
  }
}

const unknown = (datasetId: string): DownpourError =>
  new DownpourError('not-found', `There is no data set ${datasetId}: GET /v1/datasets lists them`, {
    field: 'dataset',
  });
