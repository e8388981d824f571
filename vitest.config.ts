import { defineConfig } from 'vitest/config';

// One run over every project, so that one line counts all tests. Unit and integration tests stand beside what they test.
export default defineConfig({
  resolve: { conditions: ['@downpour/source'] },
  ssr: { resolve: { conditions: ['@downpour/source'], externalConditions: ['@downpour/source'] } },
  test: {
    include: ['{apps,libs}/*/src/**/*.spec.ts', 'tools/**/*.spec.ts'],
    // They need built apps and real servers, and have configurations of their own.
    exclude: ['apps/e2e/**', '**/node_modules/**', '**/dist/**'],
    pool: 'forks',
    // Real servers on a shared machine: one more try there, shown in the report. At home a failure is a failure.
    retry: process.env['CI'] ? 1 : 0,
    execArgv: ['--conditions=@downpour/source', '--no-warnings=ExperimentalWarning'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
