import { defineConfig } from 'vitest/config';

/** Tests that need a container engine: `npm run test:compose`. */
export default defineConfig({
  root: import.meta.dirname,
  resolve: { conditions: ['@downpour/source'] },
  ssr: { resolve: { conditions: ['@downpour/source'], externalConditions: ['@downpour/source'] } },
  test: {
    include: ['src/compose/*.spec.ts'],
    pool: 'forks',
    // Real servers on a shared machine: one more try there, shown in the report. At home a failure is a failure.
    retry: process.env['CI'] ? 1 : 0,
    fileParallelism: false,
    execArgv: ['--conditions=@downpour/source', '--no-warnings=ExperimentalWarning'],
  },
});
