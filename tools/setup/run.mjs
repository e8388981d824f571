import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { PATHS, ROOT } from './paths.mjs';

const running = new Set();

/**
 * Runs a command with its output in a log file, and shows the end of that file when the command fails.
 *
 * @param {string} name names the log file
 * @param {string[]} command
 * @param {{ lockFd: number, env?: Record<string, string | undefined>, cwd?: string }} options
 */
export async function run(name, [program, ...args], { lockFd, env, cwd = ROOT }) {
  mkdirSync(PATHS.logs, { recursive: true });
  const log = join(PATHS.logs, `${name}.log`);
  const output = openSync(log, 'w');
  // The fourth descriptor keeps the lock held for as long as the command lives, even if this process is killed.
  const child = spawn(program, args, { cwd, env: env ?? process.env, stdio: ['ignore', output, output, lockFd] });
  closeSync(output);
  running.add(child);
  try {
    const reason = await new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.on('close', (code, signal) =>
        resolve(code === 0 ? undefined : signal ? `ended by ${signal}` : `exit code ${code}`),
      );
    });
    if (reason) throw new CommandError(`${program} ${args.slice(0, 3).join(' ')}`, reason, log);
  } finally {
    running.delete(child);
  }
}

/** Ends what `run` started: called when this process is told to stop. */
export function stopCommands() {
  for (const child of running) child.kill('SIGTERM');
}

/** A command's first complaint explains, its last lines tell where it ended. */
const SHOWN_LINES = 12;

export class CommandError extends Error {
  constructor(command, reason, log) {
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    const telling = lines.findIndex((line) => /\berror\b/i.test(line));
    const start = lines.slice(Math.max(telling, 0));
    const shown =
      start.length <= 2 * SHOWN_LINES ? start : [...start.slice(0, SHOWN_LINES), '...', ...start.slice(-SHOWN_LINES)];
    const quoted = shown.map((line) => `  | ${line}`);
    super([`\`${command} ...\` failed (${reason}).`, ...quoted, `All of it: ${log}`].join('\n'));
  }
}

/**
 * The environment without node_modules/.bin on the PATH. npm must run under the machine's own Node while it replaces
 * node_modules, which holds the other one. Where there is no other Node (a container with only ours), nothing changes.
 */
export function hostEnvironment(hasNode) {
  const bins = (process.env.PATH ?? '').split(delimiter);
  const host = bins.filter((bin) => !bin.endsWith(join('node_modules', '.bin')));
  return { ...process.env, PATH: (hasNode(host) ? host : bins).join(delimiter) };
}

/** The environment in which everything of this project runs: Node 24 comes first. */
export function projectEnvironment() {
  return { ...process.env, PATH: [join(PATHS.modules, '.bin'), process.env.PATH].join(delimiter) };
}
