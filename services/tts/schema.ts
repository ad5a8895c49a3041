import type { Speech } from '@voipbin/generated/schemas'
import { owned, ownedIndexes, repo, secretText, systemTables, utc } from '@voipbin/kernel'
import { index, int, mysqlTable, uniqueIndex, varchar } from 'drizzle-orm/mysql-core'

export const { outbox, inbox, sequences, timers } = systemTables('tts')

/** What has been spoken for a customer. The text itself is not kept: its hash finds it, its audio lies encrypted in the storage. */
export const speechTable = mysqlTable(
  'tts_speeches',
  {
    ...owned,
    /** SHA-256 of text, voice, language and the versions of the engines; hex. */
    hash: varchar({ length: 64 }).notNull(),
    engine: varchar({ length: 16 }).$type<Speech['engine']>().notNull(),
    voice: varchar({ length: 64 }).notNull(),
    language: varchar({ length: 35 }).notNull(),
    duration_ms: int().notNull(),
    /** Null once the file was deleted. */
    file_id: varchar({ length: 36 }),
    /** The same for hours, so that Asterisk's media cache knows it. */
    media_uri: secretText().notNull(),
    tm_expire: utc().notNull(),
  },
  t => [
    ...ownedIndexes('tts_speeches', t),
    uniqueIndex('tts_speeches_hash').on(t.customer_id, t.hash),
    index('tts_speeches_file').on(t.file_id),
  ],
)
export type SpeechRow = typeof speechTable.$inferSelect
export const speeches = repo(speechTable, { resource: 'speech', ttl_s: 0, audit: false })
