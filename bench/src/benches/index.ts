import type { Bench } from '../bench.ts';
import { compiledStep } from './compiled-step.ts';
import { cpu } from './cpu.ts';
import { firstGradient } from './first-gradient.ts';
import { speed } from './speed.ts';

/** In the order of docs/benchmarks.md. */
export const BENCHES: readonly Bench[] = [compiledStep, speed, cpu, firstGradient];
