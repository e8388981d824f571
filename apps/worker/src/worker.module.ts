import { Engine } from '@downpour/engine';
import type {
  ChunkQueues,
  EvaluationQueue,
  EventBus,
  Membership,
  ObjectStore,
  PlanWatcher,
  PushPublisher,
  RequestClient,
} from '@downpour/nats';
import {
  CHUNK_QUEUES,
  EVALUATION_QUEUE,
  EVENT_BUS,
  MEMBERSHIP,
  NatsModule,
  OBJECT_STORE,
  PLAN_WATCHER,
  PUSH_PUBLISHER,
  REQUEST_CLIENT,
} from '@downpour/nats';
import type { NatsLink } from '@downpour/nats';
import type { ServiceContext } from '@downpour/platform';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { WORKER_VERBS } from './ports.ts';
import { NatsVerbs } from './nats-verbs.ts';
import { GroupController } from './group/group.controller.ts';
import { HoldsController } from './holds.controller.ts';
import { PrepareController } from './prepare.controller.ts';
import type { WorkerConfig } from './worker.config.ts';
import { WorkerLifecycle } from './worker.lifecycle.ts';

@Module({})
export class WorkerModule {
  static async forRoot(context: ServiceContext<WorkerConfig>, link: NatsLink): Promise<DynamicModule> {
    const { config, instance, log, shutdown } = context;
    const engine = await Engine.start({ threads: config.WORKER_THREADS });
    shutdown.register('close', 'TensorFlow', () => engine.close());
    const verbs = {
      provide: WORKER_VERBS,
      inject: [REQUEST_CLIENT, CHUNK_QUEUES, PLAN_WATCHER, PUSH_PUBLISHER, EVENT_BUS, OBJECT_STORE],
      useFactory: (
        requests: RequestClient,
        chunks: ChunkQueues,
        plans: PlanWatcher,
        publisher: PushPublisher,
        events: EventBus,
        store: ObjectStore,
      ) =>
        new NatsVerbs({
          instance,
          engine,
          requests,
          chunks,
          plans,
          publisher,
          events,
          store,
          outstandingPushes: config.OUTSTANDING_PUSHES,
          stepPaddingMs: config.STEP_PADDING_MS,
          log,
        }),
    };
    const lifecycle = {
      provide: WorkerLifecycle,
      inject: [WORKER_VERBS, EVALUATION_QUEUE, PLAN_WATCHER, MEMBERSHIP],
      useFactory: (worker: NatsVerbs, evaluations: EvaluationQueue, plans: PlanWatcher, membership: Membership) =>
        new WorkerLifecycle(context, { verbs: worker, evaluations, plans, membership, engine }),
    };
    return {
      module: WorkerModule,
      imports: [NatsModule.forRoot(link)],
      controllers: [PrepareController, HoldsController, GroupController],
      providers: [verbs, lifecycle],
    };
  }
}
