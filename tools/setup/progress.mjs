// Progress for people (one line, rewritten) and for logs (a line when a step starts, ends, and every ten seconds).

import { clearInterval, setInterval } from 'node:timers';

const LOG_INTERVAL_MS = 10_000;
const DRAW_INTERVAL_MS = 200;

export class Progress {
  #tty;
  #write;
  #index = 0;
  #total;

  /** @param {number} total how many steps will follow */
  constructor(total, stream = process.stderr) {
    this.#total = total;
    this.#tty = Boolean(stream.isTTY) && !process.env.CI;
    this.#write = (text) => stream.write(text);
  }

  note(message) {
    this.#write(`${message}\n`);
  }

  /**
   * @template T
   * @param {string} title
   * @param {(status: (read: () => string) => void) => Promise<T>} work may say how its state is read
   * @returns {Promise<T>}
   */
  async step(title, work) {
    const label = `[${++this.#index}/${this.#total}] ${title}`;
    const started = Date.now();
    let read = () => '';
    const line = () => [label, read(), seconds(started)].filter(Boolean).join(' ... ');
    if (!this.#tty) this.note(label);
    const timer = setInterval(
      () => (this.#tty ? this.#redraw(line()) : this.note(line())),
      this.#tty ? DRAW_INTERVAL_MS : LOG_INTERVAL_MS,
    );
    try {
      const result = await work((reader) => (read = reader));
      this.#finish(`${label}: done in ${seconds(started)}`);
      return result;
    } catch (error) {
      this.#finish(`${label}: failed after ${seconds(started)}`);
      throw error;
    } finally {
      clearInterval(timer);
    }
  }

  #redraw(text) {
    this.#write(`\r\x1b[2K${text}`);
  }

  #finish(text) {
    if (this.#tty) this.#redraw('');
    this.note(text);
  }
}

function seconds(startedMs) {
  const elapsed = (Date.now() - startedMs) / 1000;
  return elapsed < 60 ? `${elapsed.toFixed(1)} s` : `${Math.floor(elapsed / 60)} min ${Math.round(elapsed % 60)} s`;
}
