import type { DatasetFile } from '@downpour/contracts';
import { DownpourError, objects } from '@downpour/contracts';
import type { BlobSource, DatasetLimits, LoadedDataset } from '@downpour/datasets';
import { Worker } from 'node:worker_threads';
import type { DatasetSource } from './dataset-source.ts';
import type { LoadResult, LoadTask } from './load.thread.ts';

/** Each load may hold a data set twice for a moment: as it came and as it is read. */
const MAX_THREADS = 2;

const THREAD = new URL(import.meta.url.endsWith('.ts') ? './load.thread.ts' : './load.thread.js', import.meta.url);

/** Reads data sets in threads: parsing takes seconds, and meanwhile this process must go on answering NATS. */
export class DatasetLoader {
  readonly #blobs: BlobSource;
  readonly #limits: DatasetLimits;
  readonly #dataDir: string | undefined;
  readonly #threads = new Set<Worker>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #closed = false;

  constructor(blobs: BlobSource, limits: DatasetLimits, dataDir: string | undefined) {
    this.#blobs = blobs;
    this.#limits = limits;
    this.#dataDir = dataDir;
  }

  /** @throws DownpourError invalid-dataset, too-large, not-found; unavailable when the process leaves */
  async load(source: DatasetSource): Promise<LoadedDataset> {
    if (this.#running >= MAX_THREADS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      if (this.#closed) throw leaving();
      const files = source.kind === 'uploaded' ? await this.#fetch(source.files) : [];
      return await this.#inThread({ source, files, limits: this.#limits, dataDir: this.#dataDir });
    } finally {
      // Whoever waits takes over this place.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  /** Ends what is being read. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#threads].map((thread) => thread.terminate()));
  }

  async #fetch(files: readonly DatasetFile[]): Promise<[string, Uint8Array][]> {
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    if (bytes > this.#limits.maxBytes) {
      throw new DownpourError(
        'too-large',
        `The files have ${bytes} bytes; a data set may have ${this.#limits.maxBytes} (MAX_DATASET_BYTES of the data-sharder)`,
      );
    }
    const fetched: [string, Uint8Array][] = [];
    for (const { field, digest } of files) {
      const bytes = await this.#blobs.read(objects.datasetFile(digest));
      // A thread takes over whole buffers: a view of a larger one must be copied out.
      fetched.push([field, bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)]);
    }
    return fetched;
  }

  #inThread(task: LoadTask): Promise<LoadedDataset> {
    return new Promise((resolve, reject) => {
      const handedOver = [...new Set(task.files.map(([, bytes]) => bytes.buffer as ArrayBuffer))];
      const thread = new Worker(THREAD, { workerData: task, transferList: handedOver });
      this.#threads.add(thread);
      thread.once('message', (result: LoadResult) => {
        if ('error' in result) reject(DownpourError.fromReply(result));
        else resolve(result.dataset);
      });
      thread.once('error', (error) =>
        reject(new DownpourError('internal', `Reading the data set failed: ${error.message}`, { cause: error })),
      );
      thread.once('exit', () => {
        this.#threads.delete(thread);
        reject(this.#closed ? leaving() : new DownpourError('internal', 'Reading the data set ended without a result'));
      });
    });
  }
}

const leaving = (): DownpourError => new DownpourError('unavailable', 'This data-sharder is stopping: ask another one');
