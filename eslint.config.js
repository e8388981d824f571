import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

const frameworks = ['@nestjs/*', '@nats-io/*', '@tensorflow/*', 'fastify', 'pino'];
/** Dependencies point one way: app -> adapter -> core -> contract (docs/architecture.md). */
const boundaries = [
  { sourceTag: 'type:contract', onlyDependOnLibsWithTags: ['type:contract'], bannedExternalImports: frameworks },
  {
    sourceTag: 'type:core',
    onlyDependOnLibsWithTags: ['type:core', 'type:contract'],
    bannedExternalImports: frameworks,
  },
  {
    sourceTag: 'type:adapter',
    onlyDependOnLibsWithTags: ['type:adapter', 'type:core', 'type:contract', 'type:testing'],
  },
  {
    sourceTag: 'type:testing',
    onlyDependOnLibsWithTags: ['type:adapter', 'type:core', 'type:contract', 'type:testing'],
  },
  {
    sourceTag: 'type:app',
    onlyDependOnLibsWithTags: ['type:adapter', 'type:core', 'type:contract', 'type:testing'],
    bannedExternalImports: ['@tensorflow/*', '@nats-io/*'],
  },
  { sourceTag: 'type:e2e', onlyDependOnLibsWithTags: ['type:adapter', 'type:core', 'type:contract', 'type:testing'] },
  { sourceTag: 'type:bench', onlyDependOnLibsWithTags: ['*'] },
  // One library each loads TensorFlow and NATS.
  {
    allSourceTags: ['type:adapter', 'scope:platform'],
    onlyDependOnLibsWithTags: ['*'],
    bannedExternalImports: ['@tensorflow/*', '@nats-io/*'],
  },
  {
    allSourceTags: ['type:adapter', 'scope:nats'],
    onlyDependOnLibsWithTags: ['*'],
    bannedExternalImports: ['@tensorflow/*'],
  },
  {
    allSourceTags: ['type:adapter', 'scope:engine'],
    onlyDependOnLibsWithTags: ['*'],
    bannedExternalImports: ['@nats-io/*', '@nestjs/*'],
  },
  {
    allSourceTags: ['type:adapter', 'scope:models'],
    onlyDependOnLibsWithTags: ['*'],
    bannedExternalImports: ['@nats-io/*', '@nestjs/*', '@tensorflow/tfjs-node'],
  },
];

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      '.native/**',
      '.downpour/**',
      '.nx/**',
      'bench/results/**',
      // AssemblyScript: no parser of TypeScript reads its decorators.
      'libs/kernels/assembly/**',
    ],
  },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: true,
          allow: [],
          depConstraints: boundaries,
          // An app may use libs/engine and libs/nats, whose own imports are theirs.
          checkNestedExternalImports: false,
        },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-explicit-any': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'List what a package exports by name.' },
      ],
    },
  },
  // Tools belong to no project: they look at all of them.
  { files: ['tools/**/*.ts'], rules: { '@nx/enforce-module-boundaries': 'off' } },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: {
      globals: {
        console: 'readonly',
        process: 'readonly',
        URL: 'readonly',
        setTimeout: 'readonly',
        Buffer: 'readonly',
        fetch: 'readonly',
        AbortController: 'readonly',
      },
    },
  },
  prettier,
);
