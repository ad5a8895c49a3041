import { defineConfig } from 'vitest/config'

// what drizzle-orm costs each process otherwise is said there
const execArgv = ['--import', new URL('server/kernel/light-packages.mjs', import.meta.url).href]
const everywhere = ['**/node_modules/**', '**/.voipbin/**', '**/dist/**']

// Told apart by suffix: *.test.ts needs nothing, *.int.test.ts real servers, e2e/**/*.e2e.test.ts a whole platform.
// `npm test` starts the servers and says where they are; the groups run one after another.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          execArgv,
          include: ['**/*.test.ts'],
          exclude: [...everywhere, '**/*.int.test.ts', '**/*.e2e.test.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          execArgv,
          include: ['**/*.int.test.ts'],
          exclude: everywhere,
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          execArgv,
          include: ['e2e/**/*.e2e.test.ts'],
          exclude: everywhere,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
