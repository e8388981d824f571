import type { Bench } from '../bench.ts';
import { accuracy } from './accuracy.ts';
import { apply } from './apply.ts';
import { compiledStep } from './compiled-step.ts';
import { cpu } from './cpu.ts';
import { durability } from './durability.ts';
import { failover } from './failover.ts';
import { firstGradient } from './first-gradient.ts';
import { peers } from './peers.ts';
import { pushAndFetch } from './push-and-fetch.ts';
import { scaling } from './scaling.ts';
import { soak } from './soak.ts';
import { speed } from './speed.ts';
import { tfFunction } from './tf-function.ts';
import { traffic } from './traffic.ts';

/** In the order of docs/benchmarks.md. */
export const BENCHES: readonly Bench[] = [
  compiledStep,
  tfFunction,
  speed,
  cpu,
  traffic,
  apply,
  scaling,
  firstGradient,
  pushAndFetch,
  peers,
  durability,
  accuracy,
  soak,
  failover,
];
