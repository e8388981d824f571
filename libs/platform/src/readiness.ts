/** true: ready. A text: not yet, and why. */
export type ReadinessCheck = () => true | string;

export interface ReadinessReport {
  ready: boolean;
  /** By name of the check, what it still waits for. */
  reasons: Record<string, string>;
}

/** What /readyz asks. Checks are cheap and look at what is known; they never wait. */
export class ReadinessRegistry {
  readonly #checks = new Map<string, ReadinessCheck>();

  /** Adds a check, or replaces the one of that name. Returns a function that takes it away. */
  register(name: string, check: ReadinessCheck): () => void {
    this.#checks.set(name, check);
    return () => {
      if (this.#checks.get(name) === check) this.#checks.delete(name);
    };
  }

  report(): ReadinessReport {
    const reasons: Record<string, string> = {};
    for (const [name, check] of this.#checks) {
      const answer = ask(check);
      if (answer !== true) reasons[name] = answer;
    }
    return { ready: Object.keys(reasons).length === 0, reasons };
  }
}

const ask = (check: ReadinessCheck): true | string => {
  try {
    return check();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};
