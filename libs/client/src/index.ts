export { GatewayClient } from './gateway-client.ts';
export { GatewayError } from './gateway-error.ts';
export type { WaitOptions } from './gateway-client.ts';
