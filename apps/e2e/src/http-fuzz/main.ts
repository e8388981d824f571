import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { endWithMe, startNatsServer } from '@downpour/testing';
import { ServiceProcess } from '../service-process.ts';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    site: { type: 'string', default: '' },
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: '1' },
  },
});
/** A stream of events does not end while its job waits; what it takes is tried by the gateway's own tests. */
const EXCLUDED = ['/v1/jobs/{id}/events'];
const REQUEST_SECONDS = '20';

const nats = await startNatsServer({ maxPayloadBytes: 8 * 2 ** 20 });
const env = { NATS_URL: nats.url, LOG_LEVEL: 'info' };
// No worker: jobs are taken, and wait. What is uploaded is read.
const gateway = new ServiceProcess('gateway', env);
const sharder = new ServiceProcess('data-sharder', env);
const stop = async (): Promise<void> => {
  await Promise.all([gateway.stop(), sharder.stop()]);
  await nats.stop();
};
try {
  await Promise.all([gateway.ready(), sharder.ready()]);
  const url = await gateway.url();
  // schemathesis keeps what it has found in the folder where it runs.
  const work = mkdtempSync(path.join(tmpdir(), 'downpour-schemathesis-'));
  const args = [
    ...['-m', 'schemathesis.cli', 'run', `${url}/openapi.json`],
    ...['--checks', 'not_a_server_error', '--continue-on-failure'],
    ...['--max-time', values.seconds, '--seed', values.seed, '--request-timeout', REQUEST_SECONDS],
    ...EXCLUDED.flatMap((excluded) => ['--exclude-path', excluded]),
    // Many generated specs are refused: that is what they are for.
    ...['--warnings', 'off', '--suppress-health-check', 'all', '--no-color'],
  ];
  const child = spawn(values.python, args, {
    cwd: work,
    env: { ...process.env, PYTHONPATH: values.site, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: 'inherit',
  });
  endWithMe(child);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill('SIGTERM'));
  const code = await new Promise<number>((resolve) => child.once('close', (exit) => resolve(exit ?? 1)));
  const isAlive = await fetch(`${url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );
  if (!isAlive) console.error(`The gateway is gone:\n${gateway.log.slice(-3000)}`);
  else if (code !== 0) console.error(gateway.log.slice(-6000));
  rmSync(work, { recursive: true, force: true });
  process.exitCode = isAlive ? code : 1;
} finally {
  await stop();
}
