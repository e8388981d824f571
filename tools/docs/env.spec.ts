import path from 'node:path';
import { describeVariables, type ConfigSchema } from '@downpour/platform';
import { expect, it } from 'vitest';
import { sharderConfigSchema } from '../../apps/data-sharder/src/sharder.config.ts';
import { gatewayConfigSchema } from '../../apps/gateway/src/gateway.config.ts';
import { shardConfigSchema } from '../../apps/parameter-shard/src/shard.config.ts';
import { workerConfigSchema } from '../../apps/worker/src/worker.config.ts';

const SCHEMAS: Record<string, ConfigSchema> = {
  gateway: gatewayConfigSchema,
  'parameter-shard': shardConfigSchema,
  worker: workerConfigSchema,
  'data-sharder': sharderConfigSchema,
};

/** Variables that are not a service's own configuration. */
const OTHERS = [
  [
    'TF_NUM_INTRAOP_THREADS',
    'worker',
    'WORKER_THREADS',
    'TensorFlow: threads of one operation; a value that is set wins',
  ],
  ['TF_NUM_INTEROP_THREADS', 'worker', '1', 'TensorFlow: operations at the same time; a value that is set wins'],
  ['TF_ENABLE_ONEDNN_OPTS', 'worker', '1', 'TensorFlow: oneDNN kernels, measured faster on every CPU tried'],
  ['TF_CPP_MIN_LOG_LEVEL', 'worker', '2', 'TensorFlow: least severe log line, 0 to 3'],
  ['TMPDIR', 'worker', '/tmp', 'compiled graphs are written there for a moment'],
  ['NATS_SERVER', 'npm start, tests', '.native/bin/nats-server', 'nats-server binary'],
  ['GOGC', 'npm start', '400', 'nats-server: how much garbage beside what is used, in percent, before it is collected'],
  [
    'GOMEMLIMIT',
    'npm start',
    'an eighth of the memory',
    'nats-server: memory above which garbage is collected all the same; Docker Compose sets 1GiB',
  ],
  ['FUZZ_FRAMES', 'fuzz tests', '5000', 'mutated messages that each of them tries; `npm run fuzz` sets it'],
  ['FUZZ_SEED', 'fuzz tests', '1234567', 'which mutations'],
  ['DOWNPOUR_PORT', 'docker compose', '8080', "host port of the gateway's HTTP API"],
  [
    'DOCKER_ENGINE_SCRIPT',
    'npm run test:compose',
    '../shared/docker/engine.sh',
    'script that makes a container engine usable where none answers; run as root',
  ],
];

it('docs/env.md lists every variable of every service (npx vitest run tools/docs --update writes it)', async () => {
  const rows = new Map<string, { roles: string[]; byDefault: string; description: string }>();
  for (const [role, schema] of Object.entries(SCHEMAS)) {
    for (const variable of describeVariables(schema)) {
      const byDefault = variable.default ?? '';
      const key = `${variable.name} ${variable.name === 'HTTP_PORT' ? role === 'gateway' : ''}`;
      const row = rows.get(key);
      if (row) row.roles.push(role);
      else rows.set(key, { roles: [role], byDefault: String(byDefault), description: variable.description });
    }
  }
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const line = (name: string, who: string, byDefault: string, text: string) =>
    `| \`${name}\` | ${who} | ${byDefault === '' ? '' : `\`${cell(byDefault)}\``} | ${cell(text)} |`;
  const all = Object.keys(SCHEMAS).length;
  const lines = [...rows].map(([key, { roles, byDefault, description }]) =>
    line(key.split(' ')[0]!, roles.length === all ? 'all' : roles.join(', '), byDefault, description),
  );
  const text = [
    '# Environment variables',
    '',
    'Configuration is read once, at boot. A service with a bad variable does not start: it names every one that is bad, says what would be right, and exits with code 78.',
    'This page is made from the schemas in `apps/*/src/*.config.ts`; a test fails when it is not up to date.',
    '',
    '| variable | services | default | meaning |',
    '| --- | --- | --- | --- |',
    ...lines,
    '',
    '## Around the services',
    '| variable | read by | default | meaning |',
    '| --- | --- | --- | --- |',
    ...OTHERS.map(([name = '', who = '', byDefault = '', meaning = '']) => line(name, who, byDefault, meaning)),
    '',
  ].join('\n');
  await expect(text).toMatchFileSnapshot(path.resolve(import.meta.dirname, '../../docs/env.md'));
});
