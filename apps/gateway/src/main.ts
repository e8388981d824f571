import { runService } from '@downpour/platform';
import { gatewayService } from './gateway.service-definition.ts';

await runService(gatewayService());
