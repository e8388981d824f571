import type { DatasetRecord, DatasetSummary } from '@downpour/contracts';
import { BUILT_IN_DATASETS } from '@downpour/contracts';
import { builtInSummary, isBuiltIn } from '@downpour/datasets';
import type { DatasetLookup } from '@downpour/jobs';
import type { DatasetStore } from '../ports.ts';

/** Every data set there is: the built-in ones, which every sharder has, and what was uploaded. */
export class DatasetRegistry implements DatasetLookup {
  readonly #store: DatasetStore;
  readonly #since: string;

  /** `since`: shown as the time when built-in data sets came to be. */
  constructor(store: DatasetStore, since: string) {
    this.#store = store;
    this.#since = since;
  }

  async get(id: string): Promise<DatasetRecord | null> {
    return this.#builtIn(id) ?? (isKey(id) ? this.#store.get(id) : null);
  }

  async summary(id: string): Promise<DatasetSummary | null> {
    return (await this.get(id))?.summary ?? null;
  }

  /** Built-in ones first, then the newest uploads. */
  async list(): Promise<DatasetRecord[]> {
    const uploads = await this.#store.list();
    uploads.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    return [...BUILT_IN_DATASETS.flatMap((id) => this.#builtIn(id) ?? []), ...uploads];
  }

  #builtIn(id: string): DatasetRecord | null {
    if (!isBuiltIn(id)) return null;
    return {
      id,
      name: id,
      builtIn: true,
      files: [],
      bytes: 0,
      summary: builtInSummary(id),
      createdAt: this.#since,
    };
  }
}

/** Anything else is no key of the store, which would refuse it. */
function isKey(id: string): boolean {
  return /^[a-z0-9-]{1,120}$/.test(id);
}
