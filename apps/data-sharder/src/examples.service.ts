import type { ExamplesReply, ExamplesRequest } from '@downpour/contracts';
import { DownpourError } from '@downpour/contracts';
import { cutExamples } from '@downpour/datasets';
import type { LoadedDataset } from '@downpour/datasets';
import type { Tensor, TensorFrame } from '@downpour/tensor';
import type { DatasetsService } from './datasets.service.ts';
import type { OrderCache } from './order-cache.ts';

/** A request that waits longer has probably been given up: its sender asks again, and gets the bytes then. */
const PATIENCE_MS = 2000;

/** Cuts runs of examples out of loaded data sets. */
export class ExamplesService {
  readonly #datasets: DatasetsService;
  readonly #orders: OrderCache;

  constructor(datasets: DatasetsService, orders: OrderCache) {
    this.#datasets = datasets;
    this.#orders = orders;
  }

  /** @throws DownpourError loading while the data set is still being read: ask again; invalid-request, not-found, invalid-dataset */
  async cut({ datasetId, split, order, begin, end }: ExamplesRequest): Promise<TensorFrame<ExamplesReply>> {
    const dataset = await withPatience(this.#datasets.byId(datasetId), datasetId);
    const permutation = order === null ? null : this.#orders.order(order.seed, order.epoch, dataset[split].count);
    const { count, features, labels } = cutExamples(dataset, split, permutation, begin, end);
    const { featureShape, featureType, labelKind, labelWidth } = dataset.summary;
    return {
      header: { type: 'examples', v: 1, examples: count },
      tensors: {
        features: { dtype: featureType, shape: [count, ...featureShape], data: bytesOf(features) },
        labels:
          labelKind === 'class'
            ? { dtype: 'int32', shape: [count], data: bytesOf(labels) }
            : { dtype: 'float32', shape: [count, labelWidth], data: bytesOf(labels) },
      } satisfies Record<string, Tensor>,
    };
  }
}

const bytesOf = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

const withPatience = (loading: Promise<LoadedDataset>, datasetId: string): Promise<LoadedDataset> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new DownpourError('loading', `Data set ${datasetId} is still being read: ask again`)),
      PATIENCE_MS,
    );
  });
  return Promise.race([loading, late]).finally(() => clearTimeout(timer));
};
