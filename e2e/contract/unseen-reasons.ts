/**
 * Reasons that `reasons.e2e.test.ts` cannot get from a whole platform, as `REASON` (of every operation) or `operation REASON`, and the test
 * that shows them. May only get shorter: one that the platform answers there must leave the list.
 */
export const unseen: ReadonlyMap<string, string> = new Map([
  // A fault of ours, a service that is away or does not answer: nothing a request can bring about.
  ['INTERNAL', 'server/gateway/test/every-operation.int.test.ts'],
  ['UNAVAILABLE', 'server/gateway/test/every-operation.int.test.ts'],
  ['DEADLINE_EXCEEDED', 'server/gateway/test/every-operation.int.test.ts'],
  // A race that somebody else won: the kernel's answer to a row that changed between reading and writing it.
  ['CONFLICT', 'server/gateway/test/every-operation.int.test.ts'],
  // Ten thousand flows.
  ['createFlow FLOW_LIMIT_REACHED', 'services/flow/flow.int.test.ts'],
  // A file is there for the moment it takes to copy it.
  ['createDownloadUrl STORAGE_FILE_UNAVAILABLE', 'services/storage/storage.int.test.ts'],
  ['getStorageFileContent STORAGE_FILE_UNAVAILABLE', 'services/storage/storage.int.test.ts'],
])
