/** What is measured now: one line that is written over on a terminal, a line each elsewhere. */
export class Progress {
  readonly #begun = performance.now();
  #shown = '';

  tell(what: string): void {
    const line = `[${((performance.now() - this.#begun) / 1000).toFixed(0).padStart(4)} s] ${what}`;
    if (process.stderr.isTTY) {
      const width = process.stderr.columns;
      process.stderr.write(`\r\u001b[K${line.slice(0, width - 1)}`);
    } else if (what !== this.#shown) process.stderr.write(`${line}\n`);
    this.#shown = what;
  }

  clear(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  }
}
