import type { Segment } from '@downpour/contracts';
import type { EvaluationSums, Examples } from '../ports.ts';
import type { Dataflow, Wire } from './dataflow.ts';
import type { Crossing, Exchange, PartitionCompute, SegmentTime } from './ports.ts';

export interface PipelinedInput {
  parameters: Float32Array;
  examples: Examples;
  /** Rows of each micro-batch. */
  parts: readonly { begin: number; end: number; seed: number }[];
  /** Filled with the partition's gradient; absent in an evaluation. */
  gradient?: Float32Array;
}

export interface PipelineParts {
  dataflow: Dataflow;
  compute: PartitionCompute;
  exchange: Exchange;
  /** Number of this step in its chunk: fences its messages. */
  step: number;
  observe?: ((time: SegmentTime) => void) | undefined;
}

interface Task {
  segment: Segment;
  microBatch: number;
  direction: 'forward' | 'backward';
}

/** A micro-batch on its way. */
interface Flight {
  started: boolean;
  /** Values of tensors that own segments read. */
  values: Map<string, Float32Array>;
  /** Gradients of tensors that were made or read here: sum, and contributions that are still to come. */
  gradients: Map<string, { sum: Float32Array | null; missing: number }>;
  /** Segments whose forward is done. */
  forwarded: Set<Segment>;
  /** Tasks that are neither done nor ready. */
  waiting: Set<Task>;
  left: number;
}

/**
 * One step of one partition. Tasks become ready as tensors come: the segments' forwards and backwards of each micro-batch. A ready backward goes first (it frees what its
 * forward kept), then the forward of the earliest micro-batch; a new micro-batch begins in its turn and while no more than `inFlight` are under way.
 */
export class PipelinedStep {
  readonly #parts: PipelineParts;
  readonly #input: PipelinedInput;
  readonly #flights: Flight[];
  readonly #ready: Task[] = [];
  readonly #sends: Promise<void>[] = [];
  /** Of this partition's segments, over all micro-batches. */
  readonly totals = { loss: 0, correct: 0, sums: [] as EvaluationSums[] };
  #failure: { error: unknown } | null = null;
  #wake: () => void = () => undefined;
  #inFlight = 0;

  constructor(parts: PipelineParts, input: PipelinedInput) {
    this.#parts = parts;
    this.#input = input;
    this.#flights = input.parts.map((_, microBatch) => this.#flight(microBatch));
  }

  /** Resolves when all is computed and every peer has what is its. Rejects with the first thing that went wrong. */
  async run(): Promise<void> {
    this.#flights.forEach((flight, microBatch) => {
      this.#listen(microBatch);
      this.#settle(flight);
    });
    let left = this.#flights.reduce((sum, flight) => sum + flight.left, 0);
    for (; left > 0; left--) {
      const task = await this.#next();
      await this.#do(task);
    }
    await Promise.all(this.#sends);
  }

  get #training(): boolean {
    return this.#input.gradient !== undefined;
  }

  #flight(microBatch: number): Flight {
    const { dataflow } = this.#parts;
    const directions = this.#training ? (['forward', 'backward'] as const) : (['forward'] as const);
    const waiting = new Set(
      dataflow.own.flatMap((segment) => directions.map((direction): Task => ({ segment, microBatch, direction }))),
    );
    const gradients = new Map<string, { sum: null; missing: number }>();
    for (const { tensor, readers, peers } of dataflow.wires.values())
      gradients.set(tensor, { sum: null, missing: readers.length + peers.length });
    return { started: false, values: new Map(), gradients, forwarded: new Set(), waiting, left: waiting.size };
  }

  /** What other partitions send of a micro-batch: values that are read here, gradients of what was made here. */
  #listen(microBatch: number): void {
    const { dataflow, exchange } = this.#parts;
    const receive = (
      from: number,
      tensor: string,
      direction: Crossing['direction'],
      take: (values: Float32Array) => void,
    ) => {
      exchange.receive(from, this.#crossing(microBatch, tensor, direction)).then(
        (values) => {
          if (this.#failure) return;
          take(values);
          this.#settle(this.#flights[microBatch]!);
          this.#wake();
        },
        (error: unknown) => this.#fail(error),
      );
    };
    for (const wire of dataflow.wires.values()) {
      const { tensor, maker, peers } = wire;
      if (maker.partition !== dataflow.partition)
        receive(maker.partition, tensor, 'forward', (values) => this.#flights[microBatch]!.values.set(tensor, values));
      else if (this.#training)
        for (const peer of peers)
          receive(peer, tensor, 'backward', (values) => this.#contribute(microBatch, wire, values));
    }
  }

  /** Moves what has become possible to where it is picked from. */
  #settle(flight: Flight): void {
    for (const task of flight.waiting) {
      if (!this.#possible(task, flight)) continue;
      flight.waiting.delete(task);
      this.#ready.push(task);
    }
  }

  #possible({ segment, direction }: Task, { values, gradients, forwarded }: Flight): boolean {
    if (direction === 'forward') return segment.inputs.every((tensor) => values.has(tensor));
    return forwarded.has(segment) && segment.outputs.every((tensor) => gradients.get(tensor)!.missing === 0);
  }

  async #next(): Promise<Task> {
    for (;;) {
      if (this.#failure) throw this.#failure.error;
      const task = this.#pick();
      if (task) return task;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #pick(): Task | null {
    const rank = ({ direction, microBatch, segment }: Task) =>
      (direction === 'backward' ? 0 : 1e9) + microBatch * 1e4 + segment.index;
    const task = this.#ready
      .filter((each) => this.#mayRun(each))
      .reduce<Task | null>((best, each) => (best === null || rank(each) < rank(best) ? each : best), null);
    if (task) this.#ready.splice(this.#ready.indexOf(task), 1);
    return task;
  }

  /** Micro-batches begin in their order: one that overtook the others could fill what may be in flight while all wait for an earlier one. */
  #mayRun({ microBatch }: Task): boolean {
    if (this.#flights[microBatch]!.started) return true;
    if (microBatch > 0 && !this.#flights[microBatch - 1]!.started) return false;
    return !this.#training || this.#inFlight < this.#parts.dataflow.inFlight;
  }

  async #do(task: Task): Promise<void> {
    const { segment, microBatch, direction } = task;
    const flight = this.#flights[microBatch]!;
    if (!flight.started) {
      flight.started = true;
      this.#inFlight += 1;
    }
    const beganMs = performance.now();
    await (direction === 'forward' ? this.#forward(segment, microBatch) : this.#backward(segment, microBatch));
    const { observe, step } = this.#parts;
    observe?.({ step, segment: segment.index, microBatch, direction, beganMs, ms: performance.now() - beganMs });
    flight.left -= 1;
    if (flight.left === 0) {
      this.#inFlight -= 1;
      flight.values.clear();
      flight.gradients.clear();
    } else this.#settle(flight);
  }

  async #forward(segment: Segment, microBatch: number): Promise<void> {
    const { compute, dataflow } = this.#parts;
    const { parameters, examples, parts } = this.#input;
    const { begin, end, seed } = parts[microBatch]!;
    const flight = this.#flights[microBatch]!;
    const { values } = flight;
    const rows = parts.at(-1)!.end - parts[0]!.begin;
    const output = await compute.forward({
      segment: segment.index,
      microBatch,
      parameters,
      examples,
      begin,
      end,
      weight: (end - begin) / rows,
      seed,
      training: this.#training,
      inputs: segment.inputs.map((tensor) => values.get(tensor)!),
    });
    const { loss, correct, sums } = output;
    this.totals.loss += loss;
    this.totals.correct += correct;
    if (sums) this.totals.sums.push(sums);
    flight.forwarded.add(segment);
    segment.outputs.forEach((tensor, i) => {
      const { readers, peers } = dataflow.wire(tensor);
      if (readers.length > 0) values.set(tensor, output.outputs[i]!);
      for (const peer of peers) this.#send(peer, microBatch, tensor, 'forward', output.outputs[i]!);
    });
  }

  async #backward(segment: Segment, microBatch: number): Promise<void> {
    const { compute, dataflow } = this.#parts;
    const { gradients } = this.#flights[microBatch]!;
    const inputGradients = await compute.backward({
      segment: segment.index,
      microBatch,
      parameters: this.#input.parameters,
      outputGradients: segment.outputs.map((tensor) => gradients.get(tensor)!.sum!),
      gradient: this.#input.gradient!,
    });
    segment.inputs.forEach((tensor, i) => this.#contribute(microBatch, dataflow.wire(tensor), inputGradients[i]!));
  }

  /** One reader's part of a tensor's gradient. That of another partition's tensor goes there once all readers here have added theirs. */
  #contribute(microBatch: number, { tensor, maker }: Wire, values: Float32Array): void {
    const gradient = this.#flights[microBatch]!.gradients.get(tensor)!;
    if (gradient.sum === null) gradient.sum = values;
    else for (let i = 0; i < values.length; i++) gradient.sum[i]! += values[i]!;
    gradient.missing -= 1;
    if (gradient.missing === 0 && maker.partition !== this.#parts.dataflow.partition)
      this.#send(maker.partition, microBatch, tensor, 'backward', gradient.sum);
  }

  #send(
    peer: number,
    microBatch: number,
    tensor: string,
    direction: Crossing['direction'],
    values: Float32Array,
  ): void {
    const sent = this.#parts.exchange.send(peer, this.#crossing(microBatch, tensor, direction), values);
    sent.catch((error: unknown) => this.#fail(error));
    this.#sends.push(sent);
  }

  #crossing(microBatch: number, tensor: string, direction: Crossing['direction']): Crossing {
    return { step: this.#parts.step, microBatch, tensor, direction };
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }
}
