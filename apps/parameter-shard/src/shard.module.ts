import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ShardController } from './shard.controller.ts';
import { ShardHost } from './shard-host.ts';

@Module({})
export class ShardModule {
  static forRoot(host: ShardHost): DynamicModule {
    return {
      module: ShardModule,
      controllers: [ShardController],
      providers: [{ provide: ShardHost, useValue: host }],
    };
  }
}
