import { createHash, randomUUID } from 'node:crypto';
import type { DatasetFile, DatasetRecord, DatasetSpec } from '@downpour/contracts';
import { DownpourError, objects } from '@downpour/contracts';
import { checkDatasetFiles } from '@downpour/datasets';
import { available } from '@downpour/jobs';
import type { GatewayPorts } from '../ports.ts';
import type { Upload, UploadedFile } from './upload-parts.ts';

const ID_CHARACTERS = 20;

/** A file of an upload under way. */
interface StoredFile extends DatasetFile {
  /** True when the bytes were not stored before. */
  fresh: boolean;
}

/**
 * Takes uploads in. Files are stored under their SHA-256, so the same bytes are stored once; the data set's id is the hash of its spec and
 * files, so the same upload is the same data set. What does not become part of a data set is deleted again.
 */
export class DatasetRegistration {
  readonly #ports: Pick<GatewayPorts, 'datasets' | 'blobs' | 'inspector' | 'cluster'>;
  /** Uploads under way by digest: what one of them has stored is not deleted by another that fails. */
  readonly #inUse = new Map<string, number>();
  readonly #naming = new Map<string, Promise<void>>();

  constructor(ports: Pick<GatewayPorts, 'datasets' | 'blobs' | 'inspector' | 'cluster'>) {
    this.#ports = ports;
  }

  /** Says no before the bytes come where nobody could read them. @throws DownpourError unavailable */
  checkReady(): void {
    if (available(this.#ports.cluster.members(), 'data-sharder').length > 0) return;
    throw new DownpourError(
      'unavailable',
      'No data sharder is alive to read the upload: start one with `node apps/data-sharder/dist/main.js`, then upload again',
    );
  }

  /** @throws DownpourError invalid-dataset, too-large, unavailable, timeout; ProblemError */
  async register({ spec, files }: Upload): Promise<{ dataset: DatasetRecord; created: boolean }> {
    const stored: StoredFile[] = [];
    let kept = false;
    try {
      for await (const file of files) stored.push(await this.#store(file));
      checkDatasetFiles(
        spec.format,
        stored.map(({ field }) => field),
      );
      const list = stored.map(({ field, digest, bytes }) => ({ field, digest, bytes }));
      list.sort((a, b) => (a.field < b.field ? -1 : 1));
      const id = datasetId(spec, list);
      const known = await this.#ports.datasets.get(id);
      if (known !== null) {
        kept = true;
        return { dataset: known, created: false };
      }
      const dataset = await this.#inspect(id, spec, list);
      await this.#ports.datasets.put(dataset);
      kept = true;
      return { dataset, created: true };
    } finally {
      await this.#release(stored, kept);
    }
  }

  async #inspect(id: string, spec: DatasetSpec, files: DatasetFile[]): Promise<DatasetRecord> {
    return {
      id,
      name: spec.name,
      builtIn: false,
      spec,
      files,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      summary: await this.#ports.inspector.inspect(id, spec, files),
      createdAt: new Date().toISOString(),
    };
  }

  async #store({ field, content }: UploadedFile): Promise<StoredFile> {
    const { blobs } = this.#ports;
    const temporary = `uploads/${randomUUID()}`;
    let failure: unknown;
    // The store wraps what its source throws; what is wrong with the upload should come through as it is.
    const watched = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield* content;
      } catch (error) {
        failure = error;
        throw error;
      }
    };
    try {
      const { bytes, digest: base64url } = await blobs.putStream(temporary, watched());
      const digest = Buffer.from(base64url, 'base64url').toString('hex');
      this.#inUse.set(digest, (this.#inUse.get(digest) ?? 0) + 1);
      const fresh = await this.#rename(temporary, objects.datasetFile(digest)).catch((error: unknown) => {
        this.#leave(digest);
        throw error;
      });
      return { field, digest, bytes, fresh };
    } catch (error) {
      await blobs.remove(temporary).catch(() => undefined);
      throw failure ?? error;
    }
  }

  /** Gives the bytes their name; false when they had been stored before. One after another for the same bytes. */
  async #rename(from: string, to: string): Promise<boolean> {
    const { blobs } = this.#ports;
    const before = this.#naming.get(to) ?? Promise.resolve();
    const turn = before.then(async () => {
      if (await blobs.exists(to)) return false;
      return blobs.rename(from, to).then(
        () => true,
        async (error: unknown) => {
          // Another gateway was faster.
          if (await blobs.exists(to)) return false;
          throw error;
        },
      );
    });
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#naming.set(to, settled);
    void settled.then(() => this.#naming.get(to) === settled && this.#naming.delete(to));
    const fresh = await turn;
    if (!fresh) await blobs.remove(from);
    return fresh;
  }

  async #release(stored: readonly StoredFile[], kept: boolean): Promise<void> {
    for (const { digest } of stored) this.#leave(digest);
    const candidates = kept ? [] : stored.filter(({ digest, fresh }) => fresh && !this.#inUse.has(digest));
    if (candidates.length === 0) return;
    try {
      const used = new Set(
        (await this.#ports.datasets.list()).flatMap(({ files }) => files.map(({ digest }) => digest)),
      );
      for (const { digest } of candidates) {
        if (!used.has(digest)) await this.#ports.blobs.remove(objects.datasetFile(digest));
      }
    } catch {
      // Then they stay: the next upload of the same bytes finds them.
    }
  }

  #leave(digest: string): void {
    const count = (this.#inUse.get(digest) ?? 0) - 1;
    if (count > 0) this.#inUse.set(digest, count);
    else this.#inUse.delete(digest);
  }
}

function datasetId(spec: DatasetSpec, files: readonly DatasetFile[]): string {
  const content = JSON.stringify([Object.entries(spec).sort(), files.map(({ field, digest }) => [field, digest])]);
  return `ds-${createHash('sha256').update(content).digest('hex').slice(0, ID_CHARACTERS)}`;
}
