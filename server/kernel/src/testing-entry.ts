export {
  type TestContext,
  type TestContextOptions,
  type TestDatabase,
  type TestDatabaseOptions,
  testContext,
  testDatabase,
  testPrefix,
  testUrl,
  until,
} from './testing.ts'
