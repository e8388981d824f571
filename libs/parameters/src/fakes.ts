import type { ValueEncoding, PushHeader } from '@downpour/contracts';
import { chunksInEpoch, examplesInPush, pushesInChunk } from '@downpour/contracts';
import { allocateEncoded, encodedBytes, Kernels, VectorMemory } from '@downpour/kernels';
import type { Tensor } from '@downpour/tensor';
import type { PushLog, SnapshotStore } from './ports.ts';
import type { ShardIdentity } from './shard-identity.ts';

interface LogRecord {
  sequence: number;
  /** null: cannot be decoded. */
  push: { id: number; slices: number; header: PushHeader; gradient: Tensor; scales?: Tensor } | null;
}

/** A push log in memory. Pushes may be appended a slice at a time, interleaved as several workers would. */
export class MemoryPushLog implements PushLog {
  #records: LogRecord[] = [];
  #sequence = 0;
  #ids = 0;
  #generation = 0;
  #wake: (() => void)[] = [];
  followers = 0;

  /** Positions still there. */
  get sequences(): number[] {
    return this.#records.map(({ sequence }) => sequence);
  }

  append(header: PushHeader, gradient: Tensor, scales?: Tensor): number {
    return this.begin(header, gradient, 1, scales)();
  }

  /** Returns a function that appends the next of the push's slices, and answers its position. */
  begin(header: PushHeader, gradient: Tensor, slices: number, scales?: Tensor): () => number {
    const push = { id: this.#ids++, slices, header, gradient, ...(scales && { scales }) };
    return () => this.#append(push);
  }

  appendGarbage(): number {
    return this.#append(null);
  }

  async follow(...[after, onPush, onBad]: Parameters<PushLog['follow']>): ReturnType<PushLog['follow']> {
    const open = new Map<number, { first: number; missing: number }>();
    let at = after;
    let generation = this.#generation;
    let stopped = false;
    this.followers += 1;
    const handle = async ({ sequence, push }: LogRecord): Promise<void> => {
      if (push === null) onBad('not a frame', sequence);
      else {
        const { id, slices, ...parts } = push;
        const pending = open.get(id) ?? { first: sequence, missing: slices };
        open.set(id, pending);
        pending.missing -= 1;
        if (pending.missing === 0) {
          await onPush({ ...parts, sequence, firstSequence: pending.first });
          open.delete(id);
        }
      }
      at = sequence;
    };
    let onCaughtUp = (): void => undefined;
    const caughtUp = new Promise<void>((resolve) => (onCaughtUp = resolve));
    const end = this.#sequence;
    const pump = async (): Promise<void> => {
      while (!stopped) {
        if (generation !== this.#generation) [at, generation] = [0, this.#generation];
        const next = this.#records.find(({ sequence }) => sequence > at);
        if (next === undefined || next.sequence > end) onCaughtUp();
        if (next === undefined) await new Promise<void>((resolve) => this.#wake.push(resolve));
        else await handle(next);
      }
    };
    const pumping = pump();
    return {
      caughtUp,
      safePosition: () => Math.min(at, ...[...open.values()].map(({ first }) => first - 1)),
      stop: async () => {
        if (!stopped) this.followers -= 1;
        stopped = true;
        this.#wakeAll();
        await pumping;
      },
    };
  }

  /** As a server that kept it in memory loses it: empty, and counting from one again, under those who follow. */
  restart(): void {
    this.#records = [];
    this.#sequence = 0;
    this.#generation += 1;
  }

  async trimmed(): Promise<boolean> {
    return this.#records.length < this.#sequence;
  }

  async trim(position: number): Promise<void> {
    this.#records = this.#records.filter(({ sequence }) => sequence > position);
  }

  #append(push: LogRecord['push']): number {
    this.#sequence += 1;
    this.#records.push({ sequence: this.#sequence, push });
    this.#wakeAll();
    return this.#sequence;
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Snapshots in memory. `failing` makes the store unreachable, `damage` flips a bit of one. */
export class MemorySnapshotStore implements SnapshotStore {
  readonly #stored = new Map<number, Uint8Array>();
  failing = false;

  get positions(): number[] {
    return [...this.#stored.keys()].sort((a, b) => b - a);
  }

  damage(position: number, byte: number): void {
    this.#stored.get(position)![byte]! ^= 1;
  }

  async save(position: number, bytes: Uint8Array): Promise<void> {
    this.#check();
    this.#stored.set(position, bytes.slice());
  }

  async list(): Promise<{ position: number; name: string }[]> {
    this.#check();
    return this.positions.map((position) => ({ position, name: String(position) }));
  }

  async load(name: string): Promise<Uint8Array> {
    this.#check();
    return this.#stored.get(Number(name))!.slice();
  }

  async remove(name: string): Promise<void> {
    this.#check();
    this.#stored.delete(Number(name));
  }

  #check(): void {
    if (this.failing) throw new Error('the object store is away');
  }
}

/** A small shard: 5 trainable values and 2 of state, in two ranges of a job of 20. */
export const fakeIdentity = (part: Partial<ShardIdentity> = {}): ShardIdentity => ({
  jobId: 'job-a',
  shard: 1,
  ranges: [
    { begin: 2, end: 7 },
    { begin: 15, end: 17 },
  ],
  length: 7,
  trainableLength: 5,
  jobLength: 20,
  rule: { kind: 'adam', learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
  strategy: { kind: 'async', nFetch: 1, nPush: 2, warmstartSteps: 0, stalenessScaling: 'none' },
  chunks: { examples: 50, chunkSize: 20, batchSize: 4, nPush: 2, epochs: 2, seed: 1 },
  onBadGradient: 'fail',
  ...part,
});

export const fakeInitialParameters = (length = 20): Float32Array =>
  Float32Array.from({ length }, (_, index) => Math.sin(index + 1));

/** float32 [length], different for each key. */
export const fakeGradient = (length: number, seed: number): Tensor => ({
  dtype: 'float32',
  shape: [length],
  data: new Uint8Array(Float32Array.from({ length }, (_, index) => Math.cos(seed * 1.7 + index)).buffer),
});

/** The same in one of the wire's encodings, as a push carries it. */
export const fakeEncodedGradient = (
  encoding: ValueEncoding,
  length: number,
  seed: number,
): { gradient: Tensor; scales?: Tensor } => {
  const memory = VectorMemory.create(encodedBytes('float32', length) + encodedBytes(encoding, length));
  const values = memory.float32(length);
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength).set(fakeGradient(length, seed).data);
  const into = allocateEncoded(memory, encoding, length);
  Kernels.of(memory).codecs.encode(values, into);
  const gradient: Tensor = { dtype: encoding, shape: [length], data: into.codes.slice() };
  if (into.scales === undefined) return { gradient };
  const scales = new Uint8Array(into.scales.slice().buffer);
  return { gradient, scales: { dtype: 'float32', shape: [into.scales.length], data: scales } };
};

/** Every push of a job in the order of a lone worker; version 0. */
export const fakePushes = ({
  jobId,
  shard,
  chunks,
}: Pick<ShardIdentity, 'jobId' | 'shard' | 'chunks'>): PushHeader[] => {
  const pushes: PushHeader[] = [];
  for (let epoch = 0; epoch < chunks.epochs; epoch++)
    for (let chunk = 0; chunk < chunksInEpoch(chunks); chunk++)
      for (let push = 0; push < pushesInChunk(chunks, chunk); push++)
        pushes.push({
          type: 'push',
          v: 1,
          jobId,
          shard,
          epoch,
          chunk,
          push,
          version: 0,
          examples: examplesInPush(chunks, chunk, push),
          worker: 'worker-a',
        });
  return pushes;
};
