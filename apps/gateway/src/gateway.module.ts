import type { ServiceContext } from '@downpour/platform';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { CheckpointsController } from './checkpoints/checkpoints.controller.ts';
import { CheckpointsService } from './checkpoints/checkpoints.service.ts';
import { ClusterController } from './cluster/cluster.controller.ts';
import { CoordinatorHost } from './coordinator/coordinator.host.ts';
import { DatasetRegistration } from './datasets/dataset-registration.ts';
import { DatasetRegistry } from './datasets/dataset-registry.ts';
import { DatasetsController } from './datasets/datasets.controller.ts';
import { DocsController } from './docs/docs.controller.ts';
import type { GatewayConfig } from './gateway.config.ts';
import { JobsController } from './jobs/jobs.controller.ts';
import { JobsService } from './jobs/jobs.service.ts';
import { OpenStreams } from './jobs/open-streams.ts';
import type { OpenApiDocument } from './openapi/document.ts';
import type { GatewayPorts } from './ports.ts';
import { GATEWAY_PORTS } from './ports.ts';
import { EVENT_HEARTBEAT, OPENAPI, UPLOAD_LIMIT } from './tokens.ts';
import { WeightsController } from './weights/weights.controller.ts';

@Module({})
export class GatewayModule {
  static forRoot(
    { config, log, shutdown, startedAt }: ServiceContext<GatewayConfig>,
    ports: GatewayPorts,
    document: OpenApiDocument,
  ): DynamicModule {
    const datasets = new DatasetRegistry(ports.datasets, startedAt);
    const host = new CoordinatorHost(ports, datasets, log, config.MAX_RUNNING_JOBS);
    const streams = new OpenStreams();
    const checkpoints = new CheckpointsService(ports.jobs, ports.blobs);
    shutdown.register('stopIntake', 'coordinator', () => host.stop());
    shutdown.register('finish', 'event streams', () => streams.endAll());
    return {
      module: GatewayModule,
      controllers: [
        JobsController,
        CheckpointsController,
        DatasetsController,
        WeightsController,
        ClusterController,
        DocsController,
      ],
      providers: [
        { provide: GATEWAY_PORTS, useValue: ports },
        { provide: DatasetRegistry, useValue: datasets },
        { provide: DatasetRegistration, useValue: new DatasetRegistration(ports) },
        {
          provide: JobsService,
          useValue: new JobsService(ports.jobs, datasets, checkpoints, () => ports.cluster.nats()),
        },
        { provide: CheckpointsService, useValue: checkpoints },
        { provide: CoordinatorHost, useValue: host },
        { provide: OpenStreams, useValue: streams },
        { provide: UPLOAD_LIMIT, useValue: config.MAX_UPLOAD_BYTES },
        { provide: EVENT_HEARTBEAT, useValue: config.EVENT_HEARTBEAT_MS },
        { provide: OPENAPI, useValue: document },
      ],
    };
  }
}
