import { createWriteStream, mkdirSync } from 'node:fs';
import type { WriteStream } from 'node:fs';
import path from 'node:path';
import type { PartitionTime } from './ports.ts';

/** One forward or backward, as Chrome's trace-event format has it: a complete event. */
export interface TraceEvent {
  name: string;
  cat: PartitionTime['direction'];
  ph: 'X';
  /** Microseconds since 1970, so that the traces of workers on one machine fit together. */
  ts: number;
  /** Microseconds. */
  dur: number;
  pid: number;
  /** The partition. */
  tid: number;
  args: { job: string; step: number; segment: number; microBatch: number };
}

/**
 * When this worker computed what of its partition, in a file that chrome://tracing and ui.perfetto.dev open: a JSON array, an event a line. Its last bracket comes
 * when the worker ends in order; both read it without, too.
 */
export class SegmentTrace {
  readonly #file: WriteStream;
  #before = '[\n';

  private constructor(file: WriteStream) {
    this.#file = file;
  }

  /** A file that cannot be written is said once: training goes on without. */
  static open(folder: string, instance: string, onError: (error: Error) => void): SegmentTrace {
    mkdirSync(folder, { recursive: true });
    const file = createWriteStream(path.join(folder, `${instance}.trace.json`));
    file.on('error', onError);
    return new SegmentTrace(file);
  }

  add({ jobId, partition, step, segment, microBatch, direction, beganMs, ms }: PartitionTime): void {
    const event: TraceEvent = {
      name: `${direction} ${microBatch}`,
      cat: direction,
      ph: 'X',
      ts: Math.round(1000 * (performance.timeOrigin + beganMs)),
      dur: Math.round(1000 * ms),
      pid: process.pid,
      tid: partition,
      args: { job: jobId, step, segment, microBatch },
    };
    if (this.#file.writable) this.#file.write(this.#before + JSON.stringify(event));
    this.#before = ',\n';
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#file.writable) return resolve();
      this.#file.once('close', resolve);
      this.#file.end(this.#before === '[\n' ? '[]\n' : '\n]\n');
    });
  }
}
