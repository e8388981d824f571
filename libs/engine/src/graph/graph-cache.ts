/** Graphs by key, the longest unused one dropped beyond the limit. */
export class GraphCache<Graph extends { dispose(): void }> {
  readonly #limit: number;
  /** In order of use. */
  readonly #graphs = new Map<string, Graph>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#graphs.size;
  }

  /** One that is there. */
  peek(key: string): Graph | undefined {
    return this.#graphs.get(key);
  }

  get(key: string, make: () => Graph): Graph {
    const graph = this.#graphs.get(key) ?? make();
    this.#graphs.delete(key);
    this.#graphs.set(key, graph);
    for (const [oldest, unused] of this.#graphs) {
      if (this.#graphs.size <= this.#limit) break;
      this.#graphs.delete(oldest);
      unused.dispose();
    }
    return graph;
  }

  dispose(): void {
    for (const graph of this.#graphs.values()) graph.dispose();
    this.#graphs.clear();
  }
}
