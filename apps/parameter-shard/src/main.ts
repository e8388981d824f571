import { runService } from '@downpour/platform';
import { shardService } from './shard.service-definition.ts';

await runService(shardService());
