import type { Cluster } from '@downpour/contracts';
import { Controller, Get, Inject } from '@nestjs/common';
import { CoordinatorHost } from '../coordinator/coordinator.host.ts';
import type { GatewayPorts } from '../ports.ts';
import { GATEWAY_PORTS } from '../ports.ts';

@Controller('v1/cluster')
export class ClusterController {
  readonly #ports: GatewayPorts;
  readonly #host: CoordinatorHost;

  constructor(@Inject(GATEWAY_PORTS) ports: GatewayPorts, @Inject(CoordinatorHost) host: CoordinatorHost) {
    this.#ports = ports;
    this.#host = host;
  }

  @Get()
  cluster(): Cluster {
    const members = [...this.#ports.cluster.members()];
    members.sort((a, b) => (`${a.role} ${a.instance}` < `${b.role} ${b.instance}` ? -1 : 1));
    return { coordinator: this.#host.holder, members, nats: this.#ports.cluster.nats() };
  }
}
