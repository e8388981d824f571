import { runService } from '@downpour/platform';
import { sharderService } from './sharder.service-definition.ts';

await runService(sharderService());
