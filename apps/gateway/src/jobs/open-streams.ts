import type { ServerResponse } from 'node:http';

/** Streams of events under way, so that a gateway that leaves can end them: their readers resume at another one. */
export class OpenStreams {
  readonly #open = new Set<ServerResponse>();

  /** Returns a function that forgets it. */
  add(response: ServerResponse): () => void {
    this.#open.add(response);
    return () => this.#open.delete(response);
  }

  get count(): number {
    return this.#open.size;
  }

  endAll(): void {
    for (const response of this.#open) response.end();
  }
}
