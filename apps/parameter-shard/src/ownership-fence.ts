import type { Logger } from '@downpour/platform';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether the others still count on this process (libs/nats, Membership). */
export interface Standing {
  confirmed: boolean;
  /** How often it was not so. */
  lapses: number;
}

export interface OwnershipFenceParts {
  standing: () => Standing;
  /** Reads anew what this process owns, and makes it let go of what is not its own any more. */
  verify: () => Promise<void>;
  log: Logger;
}

const POLL_MS = 50;
const RETRY_MS = 250;

/**
 * Keeps a process from acting as an owner when it may have been replaced. It was frozen, or cut off from NATS, for so long that it must have been
 * called gone; its plans are from before that. Until its heartbeats are acknowledged again and its plans have been read
 * again, it answers no pull, stores no snapshot, trims no log and reports nothing.
 */
export class OwnershipFence {
  readonly #parts: OwnershipFenceParts;
  readonly #closed = new AbortController();
  /** Lapses as of the last time that plans were verified. A process owns nothing when it starts, so there is nothing to verify then. */
  #verified: number;
  #looking = false;

  constructor(parts: OwnershipFenceParts) {
    this.#parts = parts;
    this.#verified = parts.standing().lapses;
  }

  /** It may act now. Asking is what makes it look anew when it may not. */
  get holds(): boolean {
    const { confirmed, lapses } = this.#parts.standing();
    if (confirmed && lapses === this.#verified) return true;
    if (!this.#looking) void this.#look();
    return false;
  }

  /** Resolves once it may act. @throws the signal's reason */
  async whenHolds(signal: AbortSignal): Promise<void> {
    while (!this.holds) {
      signal.throwIfAborted();
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  close(): void {
    this.#closed.abort();
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    this.#looking = true;
    await this.#lookUntilCertain();
    this.#looking = false;
  }

  async #lookUntilCertain(): Promise<void> {
    const { standing, verify, log } = this.#parts;
    const { signal } = this.#closed;
    const began = performance.now();
    while (!signal.aborted) {
      const { confirmed, lapses } = standing();
      if (!confirmed) {
        await sleep(POLL_MS, undefined, { ref: false });
        continue;
      }
      try {
        await verify();
        // Not verified if it lapsed once more while plans were read.
        if (standing().lapses !== lapses) continue;
        const ms = performance.now() - began;
        if (ms > POLL_MS) log.info({ ms }, 'It is certain again what this process owns');
        this.#verified = lapses;
        return;
      } catch (error) {
        log.warn({ err: error }, 'Plans cannot be read yet: it is not known whether shards are still owned');
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
  }
}
