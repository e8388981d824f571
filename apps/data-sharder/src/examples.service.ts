import type { ExamplesReply, ExamplesRequest } from '@downpour/contracts';
import { examplesToSend } from '@downpour/datasets';
import type { OutgoingFrame, OutgoingTensor, WrittenData } from '@downpour/tensor';
import type { DatasetsService } from './datasets.service.ts';
import type { OrderCache } from './order-cache.ts';

/** A run of examples, as it is sent. */
export interface ExamplesFrame extends OutgoingFrame<ExamplesReply> {
  tensors: Record<'features' | 'labels', OutgoingTensor & { data: WrittenData }>;
}

/** Cuts runs of examples out of loaded data sets. */
export class ExamplesService {
  readonly #datasets: DatasetsService;
  readonly #orders: OrderCache;

  constructor(datasets: DatasetsService, orders: OrderCache) {
    this.#datasets = datasets;
    this.#orders = orders;
  }

  /** Waits while the data set is being read. @throws DownpourError invalid-request, not-found, invalid-dataset */
  async cut({ datasetId, split, order, begin, end }: ExamplesRequest): Promise<ExamplesFrame> {
    const dataset = await this.#datasets.byId(datasetId);
    const permutation = order === null ? null : this.#orders.order(order.seed, order.epoch, dataset[split].count);
    const { count, features, labels } = examplesToSend(dataset, split, permutation, begin, end);
    const { featureShape, featureType, labelKind, labelWidth } = dataset.summary;
    return {
      header: { type: 'examples', v: 1, examples: count },
      tensors: {
        features: { dtype: featureType, shape: [count, ...featureShape], data: features },
        labels:
          labelKind === 'class'
            ? { dtype: 'int32', shape: [count], data: labels }
            : { dtype: 'float32', shape: [count, labelWidth], data: labels },
      },
    };
  }
}
