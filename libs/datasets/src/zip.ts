import { crc32 } from 'node:zlib';
import yauzl from 'yauzl';
import { inflateRaw } from './inflate.ts';
import { invalidDataset } from './invalid-dataset.ts';
import type { ByteBudget, DatasetLimits } from './limits.ts';

export interface ZipEntry {
  name: string;
  /** Inflates: call it once. */
  read(): Uint8Array;
}

/** The part of yauzl 3's promise interface that is used here; its published types still describe version 2. */
interface ZipFile {
  entryCount: number;
  eachEntry(): AsyncIterable<RawEntry>;
  readLocalFileHeaderPromise(entry: RawEntry, options: { minimal: true }): Promise<{ fileDataStart: number }>;
}
interface RawEntry {
  fileName: string;
  compressedSize: number;
  compressionMethod: number;
  crc32: number;
  isEncrypted(): boolean;
}
const { fromBufferPromise } = yauzl as unknown as {
  fromBufferPromise(buffer: Buffer, options: { lazyEntries: true }): Promise<ZipFile>;
};

const STORED = 0;
const DEFLATED = 8;

/**
 * Files of a zip archive sorted by name, directories left out; bytes are inflated one file at a time against the budget.
 * @throws DownpourError invalid-dataset
 */
export const openZip = async (
  bytes: Uint8Array,
  file: string,
  budget: ByteBudget,
  limits: DatasetLimits,
): Promise<ZipEntry[]> => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: ZipEntry[] = [];
  try {
    const zip = await fromBufferPromise(buffer, { lazyEntries: true });
    if (zip.entryCount > limits.maxEntries) throw tooMany(file, zip.entryCount, limits);
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName.endsWith('/')) continue;
      if (entry.isEncrypted())
        throw invalidDataset(file, `${entry.fileName} is encrypted: upload it without a password`);
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      entries.push({ name: entry.fileName, read: () => readEntry(buffer, fileDataStart, entry, file, budget) });
      if (entries.length > limits.maxEntries) throw tooMany(file, entries.length, limits);
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'DownpourError') throw error;
    throw invalidDataset(file, `is not a whole zip file (${(error as Error).message})`, error);
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
};

const readEntry = (zip: Buffer, start: number, entry: RawEntry, file: string, budget: ByteBudget): Uint8Array => {
  const raw = zip.subarray(start, start + entry.compressedSize);
  const label = `${file}: ${entry.fileName}`;
  let bytes: Uint8Array;
  if (entry.compressionMethod === STORED) {
    budget.spend(raw.byteLength, label);
    bytes = raw;
  } else if (entry.compressionMethod === DEFLATED) {
    bytes = inflateRaw(raw, label, budget);
  } else {
    throw invalidDataset(
      file,
      `${entry.fileName} is compressed by method ${entry.compressionMethod}: use deflate or none`,
    );
  }
  if (crc32(bytes) !== entry.crc32)
    throw invalidDataset(file, `${entry.fileName} is damaged: its checksum does not match`);
  return bytes;
};

const tooMany = (file: string, count: number, limits: DatasetLimits): Error =>
  invalidDataset(file, `holds ${count} files, more than the ${limits.maxEntries} a zip may have`);
