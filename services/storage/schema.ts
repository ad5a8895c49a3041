import type { StorageFile } from '@voipbin/generated/schemas'
import { owned, ownedIndexes, repo, systemTables } from '@voipbin/kernel'
import { bigint, index, mysqlTable, uniqueIndex, varchar } from 'drizzle-orm/mysql-core'

export const { outbox, inbox, sequences, timers } = systemTables('storage')

const uuid = () => varchar({ length: 36 })
/** Where an encrypted object lies, and its key, wrapped by the installation's key. */
const sealed = { object_key: varchar({ length: 64 }).notNull(), secret_key: varchar({ length: 255 }).notNull() }

export const fileTable = mysqlTable(
  'storage_files',
  {
    ...owned,
    owner_type: varchar({ length: 16 }).$type<StorageFile['owner_type']>().notNull(),
    owner_id: uuid().notNull(),
    reference_type: varchar({ length: 16 }).$type<StorageFile['reference_type']>().notNull(),
    reference_id: uuid(),
    name: varchar({ length: 255 }).notNull(),
    filename: varchar({ length: 255 }).notNull(),
    content_type: varchar({ length: 255 }).notNull(),
    filesize: bigint({ mode: 'number' }).notNull().default(0),
    sha256: varchar({ length: 64 }),
    status: varchar({ length: 16 }).$type<StorageFile['status']>().notNull(),
    ...sealed,
    /** A recording has one file, however often it is asked for. Not part of the contract. */
    recording_id: uuid(),
  },
  t => [
    ...ownedIndexes('storage_files', t),
    uniqueIndex('storage_files_recording').on(t.recording_id),
    index('storage_files_reference').on(t.customer_id, t.reference_id),
  ],
)
export type FileRow = typeof fileTable.$inferSelect
export const files = repo(fileTable, { resource: 'storage_file', ttl_s: 300 })

/** Parts of a file that is still coming in: objects of their own until the last one is there. */
export const partTable = mysqlTable(
  'storage_parts',
  {
    ...owned,
    file_id: uuid().notNull(),
    position: bigint({ mode: 'number' }).notNull(),
    size: bigint({ mode: 'number' }).notNull(),
    ...sealed,
  },
  t => [uniqueIndex('storage_parts_position').on(t.file_id, t.position)],
)
export type PartRow = typeof partTable.$inferSelect
export const parts = repo(partTable, { resource: 'storage_part', ttl_s: 0, audit: false })
