import { Child } from './child.ts';

export type TrafficMode = 'pull' | 'push' | 'both';

export type WireRequest =
  | { ask: 'join'; natsUrl: string; workers: number; prepares: boolean }
  | { ask: 'train'; jobId: string; padMs: number; warmUpMs: number; windowMs: number; windows: number }
  | { ask: 'traffic'; jobId: string; mode: TrafficMode; windowMs: number; worker: number; of: number }
  | { ask: 'serveRaw'; natsUrl: string; name: string; partBytes: number }
  | { ask: 'raw'; natsUrl: string; names: string[]; mode: TrafficMode; partBytes: number; windowMs: number }
  | { ask: 'leave' };

/** Steps a second of this process's workers, by window. */
export type Rates = number[];

export interface Moved {
  bytes: number;
  seconds: number;
}

/** A process with workers that have no TensorFlow, or with plain NATS clients: for what the wire and the coordination cost alone. */
export class WireChild {
  readonly stop: () => Promise<void>;
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
    this.stop = child.stop;
  }

  static async start(): Promise<WireChild> {
    return new WireChild(await Child.start('wire'));
  }

  ask<Result = void>(request: WireRequest): Promise<Result> {
    return this.#child.ask(request) as Promise<Result>;
  }
}
