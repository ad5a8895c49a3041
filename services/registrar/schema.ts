import { owned, ownedIndexes, repo } from '@voipbin/kernel'
import { customType, index, mysqlTable, unique, varchar } from 'drizzle-orm/mysql-core'

/** Text that is equal only when every letter is: SIP user names have cases. */
const exact = customType<{ data: string; driverData: string; config: { length: number } }>({
  dataType: config => `varchar(${config?.length ?? 255}) COLLATE utf8mb4_bin`,
})

/** The edge's view `kam_subscriber` reads `extension, domain, ha1, tm_delete`: these names are a contract with `voip/kamailio`. */
export const extensionTable = mysqlTable(
  'registrar_extensions',
  {
    ...owned,
    extension: exact({ length: 64 }).notNull(),
    domain: varchar({ length: 255 }).notNull(),
    /** MD5 of `extension:domain:password` (RFC 2617), 32 hexadecimal digits; the password itself is nowhere. */
    ha1: varchar({ length: 32 }).notNull(),
    name: varchar({ length: 255 }).notNull(),
    detail: varchar({ length: 1000 }).notNull(),
  },
  t => [
    ...ownedIndexes('registrar_extensions', t),
    unique('registrar_extensions_name').on(t.customer_id, t.extension, t.tm_delete),
    index('registrar_extensions_subscriber').on(t.extension, t.domain),
  ],
)
export type ExtensionRow = typeof extensionTable.$inferSelect
/** Never cached: the row holds what a phone signs in with. */
export const extensions = repo(extensionTable, { resource: 'extension', ttl_s: 0 })

/** The contacts that `extension.registered` has told of, by the edge's own name for them. `extension_id` is null for those of no extension of ours. */
export const contactTable = mysqlTable(
  'registrar_contacts',
  { ruid: exact({ length: 64 }).primaryKey(), extension_id: varchar({ length: 36 }) },
  t => [index('registrar_contacts_extension').on(t.extension_id)],
)
