interface Account {
  spentMs: number;
  /** What a chunk of this job cost lately: charged while one is in hand, before its true cost is known. */
  chunkMs: number;
}

/**
 * Which job a worker serves next: the one it has spent the least compute time on. Shares are of time, not of chunks, so a job of large
 * steps does not starve one of small steps. A new job starts at the current minimum: it gets its share from now on, no back pay.
 */
export class FairShare {
  readonly #accounts = new Map<string, Account>();

  /** The candidates, most deserving first. Jobs not seen before are taken on. */
  order(candidates: readonly string[]): string[] {
    const known = candidates.flatMap((jobId) => this.#accounts.get(jobId)?.spentMs ?? []);
    const minimum = known.length === 0 ? 0 : Math.min(...known);
    for (const jobId of candidates) {
      if (!this.#accounts.has(jobId)) this.#accounts.set(jobId, { spentMs: minimum, chunkMs: 0 });
    }
    return [...candidates].sort((a, b) => this.spentMs(a) - this.spentMs(b));
  }

  /**
   * A chunk of this job was taken: charges what one usually costs, so that a look-ahead does not choose the same job again. Call
   * what is returned once, with the true cost (0 if the chunk was given back unused).
   */
  begin(jobId: string): (spentMs: number) => void {
    const account = this.#accounts.get(jobId);
    if (!account) return () => undefined;
    const expectedMs = account.chunkMs;
    account.spentMs += expectedMs;
    return (spentMs) => {
      account.spentMs += spentMs - expectedMs;
      if (spentMs > 0) account.chunkMs = spentMs;
    };
  }

  forget(jobId: string): void {
    this.#accounts.delete(jobId);
  }

  spentMs(jobId: string): number {
    return this.#accounts.get(jobId)?.spentMs ?? 0;
  }
}
