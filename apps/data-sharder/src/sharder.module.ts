import type { ServiceContext } from '@downpour/platform';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { DatasetCache } from './dataset-cache.ts';
import { DatasetLoader } from './dataset-loader.ts';
import { DatasetsService } from './datasets.service.ts';
import { EpochsService } from './epochs.service.ts';
import { ExamplesService } from './examples.service.ts';
import { OrderCache } from './order-cache.ts';
import type { SharderPorts } from './ports.ts';
import type { SharderConfig } from './sharder.config.ts';
import { SharderController } from './sharder.controller.ts';
import { SharderMetrics } from './sharder.metrics.ts';

@Module({})
export class SharderModule {
  static forRoot(
    { config, metrics: registry, shutdown }: ServiceContext<SharderConfig>,
    { blobs, queue, plans, records }: SharderPorts,
  ): DynamicModule {
    const limits = { maxBytes: config.MAX_DATASET_BYTES, maxEntries: config.MAX_ZIP_ENTRIES };
    const metrics = new SharderMetrics(registry);
    const loader = new DatasetLoader(blobs, limits, config.DATA_DIR);
    const datasets = new DatasetsService(records, loader, new DatasetCache(config.DATASET_CACHE_BYTES, metrics));
    const orders = new OrderCache();
    shutdown.register('close', 'data set threads', () => loader.close());
    return {
      module: SharderModule,
      controllers: [SharderController],
      providers: [
        { provide: SharderMetrics, useValue: metrics },
        { provide: DatasetsService, useValue: datasets },
        { provide: EpochsService, useValue: new EpochsService(plans, queue, datasets, orders) },
        { provide: ExamplesService, useValue: new ExamplesService(datasets, orders) },
      ],
    };
  }
}
