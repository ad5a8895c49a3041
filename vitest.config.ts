import { defineConfig } from 'vitest/config'

// what drizzle-orm costs each process otherwise is said there
const execArgv = ['--import', new URL('server/kernel/light-packages.mjs', import.meta.url).href]
// Nothing waits that long when all is well: a busy machine is no failure.
const expectPatiently = { poll: { timeout: 30_000 } }
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
          testTimeout: 60_000,
          expect: expectPatiently,
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
          testTimeout: 180_000,
          hookTimeout: 180_000,
          expect: expectPatiently,
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
          testTimeout: 300_000,
          hookTimeout: 180_000,
          expect: expectPatiently,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
