import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import type { Role } from '@downpour/contracts';
import { endWithMe } from '@downpour/testing';

const REPOSITORY = path.resolve(import.meta.dirname, '../../..');
const NODE = path.join(REPOSITORY, 'node_modules/.bin/node');

/** Children of this process: none outlives it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A built app as a process of its own, as users run it. Its log is kept in memory for when a test fails. */
export class ServiceProcess {
  readonly role: Role;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  #log = '';

  /** @param logFile where its log is kept as well, after what is there */
  constructor(role: Role, env: Record<string, string>, logFile?: string) {
    this.role = role;
    const child = spawn(NODE, [path.join(REPOSITORY, 'apps', role, 'dist/main.js')], {
      env: { ...process.env, HTTP_PORT: '0', LOG_LEVEL: 'debug', NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const file = logFile === undefined ? null : createWriteStream(logFile, { flags: 'a' });
    // Its folder may have been removed. Piped into, a file that fails would stop the reading, and `exited` would never come.
    file?.on('error', () => undefined);
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#log = (this.#log + text).slice(-200_000);
        file?.write(text);
      });
    child.once('close', () => file?.end());
    this.#child = child;
    running.add(child);
    endWithMe(child);
    child.once('exit', () => running.delete(child));
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  get log(): string {
    return this.#log;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Where it serves /healthz, once it has said so in its log. @throws Error with the log when it ends instead */
  async url(): Promise<string> {
    for (;;) {
      const found = /Listening on (http:\/\/[\d.]+:\d+)/.exec(this.#log)?.[1];
      if (found) return found;
      this.#throwIfEnded();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Resolves once /readyz answers 200. @throws Error with the log when it ends, and after `timeoutMs` */
  async ready(timeoutMs = 90_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    const url = await this.url();
    let last = '';
    while (performance.now() < deadline) {
      const response = await fetch(`${url}/readyz`).catch(() => null);
      if (response?.ok) return;
      this.#throwIfEnded();
      last = (await response?.text()) ?? '';
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${this.role} was not ready within ${timeoutMs} ms: ${last}\n${this.#log}`);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#hasEnded) this.#child.kill(signal);
  }

  /** SIGTERM, then SIGKILL after `graceMs`. Resolves with how long it took. */
  async stop(graceMs = 12_000): Promise<number> {
    const began = performance.now();
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs);
    await this.exited;
    clearTimeout(timer);
    return performance.now() - began;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #throwIfEnded(): void {
    if (this.#hasEnded)
      throw new Error(`${this.role} ended (${this.#child.signalCode ?? this.#child.exitCode}): ${this.#log}`);
  }
}
