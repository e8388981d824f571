import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { endWithMe } from './reaper.ts';

export interface NatsServerOptions {
  /** Largest payload of a message. @default 1 MiB, the server's own default */
  maxPayloadBytes?: number;
  /** @default a free one */
  port?: number;
  /** What JetStream may store on file, as the server's configuration says it. @default 16GB */
  fileStoreLimit?: string;
  /** Lines added to the configuration file. */
  extraConfig?: string;
}

/** A nats-server process of its own on the loopback interface, with JetStream. */
export interface NatsServer {
  readonly url: string;
  readonly port: number;
  /** JetStream's files. */
  readonly storeDir: string;
  readonly pid: number | undefined;
  /** Stops it in good order and removes its files. */
  stop(): Promise<void>;
  /** SIGKILL, as a power failure would; files stay for `restart`. */
  kill(): Promise<void>;
  /** Starts it again on the same port and files; kills it first if it still runs. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  thaw(): void;
}

/** Servers of this process: none outlives it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a server and resolves once it takes connections. */
export const startNatsServer = async (options: NatsServerOptions = {}): Promise<NatsServer> => {
  const binary = natsServerBinary();
  const port = options.port ?? (await freePort());
  const home = await mkdtemp(join(tmpdir(), 'downpour-nats-'));
  const storeDir = join(home, 'jetstream');
  const logFile = join(home, 'nats.log');
  const configFile = join(home, 'nats.conf');
  await writeFile(
    configFile,
    [
      `listen: "127.0.0.1:${port}"`,
      `log_file: "${logFile}"`,
      `max_payload: ${options.maxPayloadBytes ?? 2 ** 20}`,
      `jetstream { store_dir: "${storeDir}", max_memory_store: 4GB, max_file_store: ${options.fileStoreLimit ?? '16GB'} }`,
      options.extraConfig ?? '',
    ].join('\n'),
  );

  let child: ChildProcess | undefined;
  const launch = async (): Promise<void> => {
    const started = spawn(binary, ['-c', configFile], { stdio: 'ignore' });
    child = started;
    running.add(started);
    endWithMe(started);
    started.once('exit', () => running.delete(started));
    started.once('error', () => running.delete(started));
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await accepts(port))) {
      if (started.exitCode !== null || Date.now() > deadline) {
        started.kill('SIGKILL');
        const log = await readFile(logFile, 'utf8').catch(() => '');
        throw new Error(`nats-server did not start on port ${port}:\n${log.slice(-2000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => ending.once('exit', () => resolve()));
    ending.kill('SIGCONT');
    ending.kill(signal);
    await gone;
  };

  await launch();
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    storeDir,
    get pid() {
      return child?.pid;
    },
    stop: async () => {
      await end('SIGTERM');
      await rm(home, { recursive: true, force: true });
    },
    kill: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGKILL');
      await launch();
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
  };
};

const START_TIMEOUT_MS = 15_000;

/** NATS_SERVER, or what `npm run setup` installed. */
const natsServerBinary = (): string => {
  const given = process.env['NATS_SERVER'];
  if (given !== undefined && given !== '') return given;
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const candidate = join(folder, '.native', 'bin', 'nats-server');
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder))
      throw new Error('There is no .native/bin/nats-server: run `npm run setup`, or set NATS_SERVER to its path');
  }
};

/** A port that nobody listens on now. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    // The server speaks first: its INFO line says that it is ready.
    socket.once('data', () => done(true));
    socket.once('error', () => done(false));
    socket.setTimeout(1000, () => done(false));
  });
