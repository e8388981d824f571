import { defineConfig } from 'vitest/config';

/** End-to-end tests: built apps as processes, a real nats-server. Run `npm run build` first. */
export default defineConfig({
  root: import.meta.dirname,
  resolve: { conditions: ['@downpour/source'] },
  ssr: { resolve: { conditions: ['@downpour/source'], externalConditions: ['@downpour/source'] } },
  test: {
    include: ['src/*.spec.ts'],
    pool: 'forks',
    // Real servers on a shared machine: one more try there, shown in the report. At home a failure is a failure.
    retry: process.env['CI'] ? 1 : 0,
    // Each test has a cluster of its own; two at once would measure each other's load.
    fileParallelism: false,
    execArgv: ['--conditions=@downpour/source', '--no-warnings=ExperimentalWarning'],
    testTimeout: 300_000,
    hookTimeout: 60_000,
  },
});
