import { defineConfig } from 'vitest/config';

/** Tests that need a container engine: `npm run test:compose`. */
export default defineConfig({
  root: import.meta.dirname,
  resolve: { conditions: ['@downpour/source'] },
  ssr: { resolve: { conditions: ['@downpour/source'], externalConditions: ['@downpour/source'] } },
  test: {
    include: ['src/compose/*.spec.ts'],
    pool: 'forks',
    fileParallelism: false,
    execArgv: ['--conditions=@downpour/source', '--no-warnings=ExperimentalWarning'],
  },
});
