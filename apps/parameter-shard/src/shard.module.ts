import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { Captures } from './checkpoint/captures.ts';
import { CheckpointComposer } from './checkpoint/composer.ts';
import { CheckpointController } from './checkpoint/checkpoint.controller.ts';
import { ShardController } from './shard.controller.ts';
import { VectorsController } from './sandblaster/vectors.controller.ts';
import { ShardHost } from './shard-host.ts';

@Module({})
export class ShardModule {
  static forRoot(host: ShardHost, composer: CheckpointComposer): DynamicModule {
    return {
      module: ShardModule,
      controllers: [ShardController, CheckpointController, VectorsController],
      providers: [
        { provide: ShardHost, useValue: host },
        { provide: CheckpointComposer, useValue: composer },
        { provide: Captures, useValue: new Captures() },
      ],
    };
  }
}
