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
export { type TestServices, type TestServicesOptions, testServices } from './testing-services.ts'
