import { and, eq, getTableColumns, is, SQL, sql } from 'drizzle-orm'
import type { MySqlColumn, MySqlTable } from 'drizzle-orm/mysql-core'
import { type AuditAction, recordAudit } from './audit.ts'
import { fillCache, invalidate } from './cache.ts'
import { isLive, stamp } from './columns.ts'
import type { Cache, Context, Db, Tx } from './context.ts'
import { AppError, generalError } from './errors.ts'
import { metrics } from './metrics.ts'
import { type Columns, conditions, type Page, type PageInput, selectPage, type Where } from './page.ts'

export type OwnedTable = MySqlTable & Record<'id' | 'customer_id' | 'version' | 'tm_create' | 'tm_update' | 'tm_delete', MySqlColumn>

/** The columns a repo fills itself. */
type Kept = 'customer_id' | 'version' | 'tm_create' | 'tm_update' | 'tm_delete'
export type Row<T extends OwnedTable> = T['$inferSelect']
/** `tm_create` may be given for a row that other times of the same moment stand beside. */
export type NewRow<T extends OwnedTable> = Omit<T['$inferInsert'], Kept | 'id'> & { id?: string; tm_create?: string }
export type Patch<T extends OwnedTable> = Partial<Omit<T['$inferSelect'], Kept | 'id'>>

/** What a read needs. Inside a transaction pass `tx`: it reads there, past the cache. */
export type Reader = Pick<Context, 'db' | 'customer_id'> & { readonly cache?: Cache }

export interface RepoOptions {
  /** Name in cache keys, audit rows and `<RESOURCE>_NOT_FOUND`. */
  resource: string
  /** How long a row is cached, in seconds. Default 300; 0 caches nothing. */
  ttl_s?: number
  /** Every customer may read these rows (the platform's own, such as price lists). Writes stay scoped. */
  public?: boolean
  /** Default true. False for rows that are a record themselves (delivery attempts). */
  audit?: boolean
  /**
   * The event to send for each row when its customer is deleted; with it the rows go with their customer. The service must receive
   * `customer.deleted`.
   */
  onCustomerDeleted?: string
  /** Fields whose change is a rotation of a secret: the audit row of such an update says `rotate`. */
  rotated?: readonly string[]
}

/** Finds the customer that owns a live row; `null` when there is none. */
export interface OwnerLookup {
  ownerOf(ctx: Pick<Context, 'db'>, id: string): Promise<string | null>
}

export interface Repo<T extends OwnedTable> extends OwnerLookup {
  readonly table: T
  readonly resource: string
  readonly onCustomerDeleted: string | undefined
  /** The customer's live row, `null` when there is none: a foreign row looks exactly like a missing one. */
  get(ctx: Reader, id: string): Promise<Row<T> | null>
  /** As `get`; throws `<RESOURCE>_NOT_FOUND`. */
  require(ctx: Reader, id: string): Promise<Row<T>>
  /** The customer's live rows, newest first. */
  list(ctx: Reader, query?: PageInput & { where?: Where<Row<T>> }): Promise<Page<Row<T>>>
  /** Adds a row of `tx.customer_id`. */
  insert(tx: Tx, values: NewRow<T>): Promise<Row<T>>
  /**
   * Writes the changed fields. Given a row, it must be the version read: a lost race throws CONFLICT. Given an id, the row is locked first.
   */
  update(tx: Tx, target: Row<T> | string, patch: Patch<T>): Promise<Row<T>>
  /** Soft-deletes; the answer is the deleted row. */
  remove(tx: Tx, target: Row<T> | string): Promise<Row<T>>
  /** The one door without a customer. For the platform's own work (media events, timers); its uses are a checked list. */
  readonly system: SystemRepo<T>
}

export interface SystemRepo<T extends OwnedTable> {
  get(ctx: Pick<Reader, 'db' | 'cache'>, id: string): Promise<Row<T> | null>
  /** Live rows in no promised order, at most `limit` (default 1,000). */
  find(ctx: Pick<Reader, 'db'>, where: Where<Row<T>>, options?: { limit?: number; forUpdate?: boolean }): Promise<Row<T>[]>
  list(ctx: Pick<Reader, 'db'>, query?: PageInput & { where?: Where<Row<T>> }): Promise<Page<Row<T>>>
  insert(tx: Tx, values: NewRow<T> & { customer_id: string }): Promise<Row<T>>
  update(tx: Tx, target: Row<T> | string, patch: Patch<T>): Promise<Row<T>>
  remove(tx: Tx, target: Row<T> | string): Promise<Row<T>>
}

type AnyRow = Record<string, unknown> & { id: string; customer_id: string; version: number; tm_create: string }
interface Scope {
  customer_id: string | undefined
}

/** Rows of a table with the `owned` columns: scoped by customer, soft-deleted, versioned, cached, audited. */
export function repo<T extends OwnedTable>(table: T, options: RepoOptions): Repo<T> {
  // Inside, rows are plain records; the signatures above are what callers see.
  return new TableRepo(table, options) as unknown as Repo<T>
}

class TableRepo {
  readonly table: OwnedTable
  readonly resource: string
  readonly onCustomerDeleted: string | undefined
  readonly system: object
  #columns: Columns
  #ttl_s: number
  #public: boolean
  #audit: boolean
  #rotated: readonly string[]
  #secret: ReadonlySet<string>
  #flights = new Map<string, Promise<AnyRow | null>>()
  #byId = new WeakMap<Db, { execute(values: Record<string, unknown>): Promise<unknown[]> }>()

  constructor(table: OwnedTable, options: RepoOptions) {
    const { resource, ttl_s = 300, public: isPublic = false, audit = true, rotated = [] } = options
    this.table = table
    this.resource = resource
    this.onCustomerDeleted = options.onCustomerDeleted
    this.#columns = getTableColumns(table) as Columns
    this.#ttl_s = ttl_s
    this.#public = isPublic
    this.#audit = audit
    this.#rotated = rotated
    this.#secret = new Set(Object.keys(this.#columns).filter(name => isSecretColumn(this.#columns[name])))
    this.system = {
      get: (ctx: Reader, id: string) => this.#read(ctx, id),
      find: (ctx: Reader, where: Where<AnyRow>, find = {}) => this.#find(ctx, where, find),
      list: (ctx: Reader, query = {}) => this.#list(ctx, query, { customer_id: undefined }),
      insert: (tx: Tx, values: Record<string, unknown> & { customer_id: string }) => this.#insert(tx, values, values.customer_id),
      update: (tx: Tx, target: AnyRow | string, patch: object) => this.#write(tx, target, patch, { customer_id: undefined }),
      remove: (tx: Tx, target: AnyRow | string) => this.#remove(tx, target, { customer_id: undefined }),
    }
  }

  async get(ctx: Reader, id: string): Promise<AnyRow | null> {
    if (ctx.customer_id === '' && !this.#public) return null
    const row = await this.#read(ctx, id)
    return row && (this.#public || row.customer_id === ctx.customer_id) ? row : null
  }

  async require(ctx: Reader, id: string): Promise<AnyRow> {
    return (await this.get(ctx, id)) ?? this.#missing()
  }

  async list(ctx: Reader, query: PageInput & { where?: Where<AnyRow> } = {}): Promise<Page<AnyRow>> {
    if (this.#public) return this.#list(ctx, query, { customer_id: undefined })
    return this.#list(ctx, query, ctx)
  }

  async insert(tx: Tx, values: Record<string, unknown>): Promise<AnyRow> {
    if (tx.customer_id === '') throw new Error(`${this.resource}: no customer to insert for; use system.insert or ctx.as`)
    return this.#insert(tx, values, tx.customer_id)
  }

  update(tx: Tx, target: AnyRow | string, patch: object): Promise<AnyRow> {
    return this.#write(tx, target, patch, tx)
  }

  remove(tx: Tx, target: AnyRow | string): Promise<AnyRow> {
    return this.#remove(tx, target, tx)
  }

  async ownerOf(ctx: Pick<Context, 'db'>, id: string): Promise<string | null> {
    const row = await this.#select(ctx.db, id, true)
    return row?.customer_id ?? null
  }

  /** Live row by id, from the cache where there is one. */
  async #read(ctx: Pick<Reader, 'db' | 'cache'>, id: string): Promise<AnyRow | null> {
    const { cache, db } = ctx
    if (!cache || this.#ttl_s === 0) return this.#select(db, id)
    const key = `${this.resource}:${id}`
    // One look-up for all who ask at the same time.
    const flying = this.#flights.get(key)
    // A copy each: a caller may change what it got.
    if (flying) return flying.then(row => row && { ...row })
    const flight = this.#readThrough(db, cache, { key, id }).finally(() => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    })
    this.#flights.set(key, flight)
    return flight
  }

  async #readThrough(db: Db, cache: Cache, { key, id }: { key: string; id: string }): Promise<AnyRow | null> {
    const cached = this.#unpack(await cache.get<AnyRow>(key))
    metrics.cacheRequests.inc({ resource: this.resource, outcome: cached ? 'hit' : 'miss' })
    if (cached) return cached
    const row = await this.#select(db, id, true)
    if (row) await fillCache(cache, key, this.#pack(row), this.#ttl_s)
    return row
  }

  async #select(db: Db, id: string, prepared = false): Promise<AnyRow | null> {
    const [row] = (prepared ? await this.#prepared(db).execute({ id }) : await this.#selectById(db, id)) as AnyRow[]
    // The database compares without case and trailing blanks, the cache does not: only the exact id names the row.
    return row?.id === id ? row : null
  }

  #selectById(db: Db, id: unknown) {
    return db
      .select()
      .from(this.table)
      .where(and(eq(this.table.id, id), isLive(this.table)))
      .limit(1)
  }

  /** Building the statement costs more than running it, so the pool's handle keeps one. */
  #prepared(db: Db) {
    const known = this.#byId.get(db)
    if (known) return known
    const statement = this.#selectById(db, sql.placeholder('id')).prepare()
    this.#byId.set(db, statement)
    return statement
  }

  async #find(
    ctx: Pick<Reader, 'db'>,
    where: Where<AnyRow>,
    { limit = 1_000, forUpdate = false }: { limit?: number; forUpdate?: boolean },
  ) {
    const query = ctx.db
      .select()
      .from(this.table)
      .where(and(conditions(this.#columns, where), isLive(this.table)))
      .limit(limit)
    if (forUpdate) return query.for('update')
    return query
  }

  async #list(ctx: Pick<Reader, 'db'>, { where, ...page }: PageInput & { where?: Where<AnyRow> }, { customer_id }: Scope) {
    if (customer_id === '') return { result: [], next_page_token: '' }
    const mine = customer_id === undefined ? undefined : eq(this.table.customer_id, customer_id)
    const filter = and(mine, isLive(this.table), conditions(this.#columns, where))
    return selectPage<AnyRow>(ctx.db, this.table, this.#columns, { ...page, where: filter })
  }

  async #insert(tx: Tx, values: Record<string, unknown>, customer_id: string): Promise<AnyRow> {
    const now = values.tm_create ?? stamp(tx.now())
    const given = { ...values, id: values.id ?? tx.newId(), customer_id, version: 1, tm_create: now, tm_update: now }
    await tx.db.insert(this.table).values(given as never)
    const row = this.#complete(given) ?? (await this.#select(tx.db, given.id as string))
    if (!row) throw new Error(`${this.resource} ${given.id} vanished after its insert`)
    await this.#record(tx, 'create', { row, new: row })
    this.#changed(tx, row.id)
    return row
  }

  async #write(tx: Tx, target: AnyRow | string, patch: object, scope: Scope): Promise<AnyRow> {
    const { old, row } = await this.#save(tx, target, { fields: patch, scope })
    const names = Object.keys(patch).filter(name => JSON.stringify(old[name]) !== JSON.stringify(row[name]))
    const action = names.some(name => this.#rotated.includes(name)) ? 'rotate' : 'update'
    if (names.length > 0) await this.#record(tx, action, { row, old: pick(old, names), new: pick(row, names) })
    return row
  }

  async #remove(tx: Tx, target: AnyRow | string, scope: Scope): Promise<AnyRow> {
    const { old, row } = await this.#save(tx, target, { fields: { tm_delete: stamp(tx.now()) }, scope })
    await this.#record(tx, 'delete', { row, old })
    return row
  }

  /** UPDATE … WHERE id AND version AND customer_id, and what the row is then. */
  async #save(tx: Tx, target: AnyRow | string, { fields, scope }: { fields: object; scope: Scope }) {
    if (scope.customer_id === '') return this.#missing()
    const old = typeof target === 'string' ? await this.#lock(tx, target) : target
    if (scope.customer_id !== undefined && old.customer_id !== scope.customer_id) return this.#missing()
    const { table } = this
    const patch = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
    const given = { ...patch, version: old.version + 1, tm_update: stamp(tx.now()) }
    const mine = scope.customer_id === undefined ? undefined : eq(table.customer_id, scope.customer_id)
    const [result] = await tx.db
      .update(table)
      .set(given as never)
      .where(and(eq(table.id, old.id), eq(table.version, old.version), mine, isLive(table)))
    if (result.affectedRows === 0) {
      throw generalError('CONFLICT', {
        message: `The ${this.resource} was changed by somebody else at the same time; read it again and retry.`,
      })
    }
    this.#changed(tx, old.id)
    return { old, row: { ...old, ...this.#asRead(given) } as AnyRow }
  }

  async #lock(tx: Tx, id: string): Promise<AnyRow> {
    const [row] = (await this.#selectById(tx.db, id).for('update')) as AnyRow[]
    return row?.id === id ? row : this.#missing()
  }

  /** After the commit nobody in this process joins a look-up that began before it, and every cache forgets the row. */
  #changed(tx: Tx, id: string): void {
    const key = `${this.resource}:${id}`
    tx.afterCommit(async () => {
      this.#flights.delete(key)
      if (this.#ttl_s > 0) await invalidate(key)
    })
  }

  async #record(tx: Tx, action: AuditAction, { row, ...values }: { row: AnyRow; old?: object; new?: object }) {
    if (!this.#audit) return
    const entry = { action, resource_type: this.resource, resource_id: row.id, customer_id: row.customer_id, secret: this.#secret }
    await recordAudit(tx, { ...entry, ...values })
  }

  /** The inserted row as a read would give it; `undefined` when the database filled in something we cannot know. */
  #complete(given: Record<string, unknown>): AnyRow | undefined {
    const row: Record<string, unknown> = {}
    for (const [name, column] of Object.entries(this.#columns)) {
      if (given[name] !== undefined) row[name] = asRead(column, given[name])
      else if (name === 'tm_delete') row[name] = null
      else if (!column.hasDefault) row[name] = null
      else if (column.default !== undefined && !is(column.default, SQL)) row[name] = column.default
      else return undefined
    }
    return row as AnyRow
  }

  #asRead(given: Record<string, unknown>): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(given).map(([name, value]) => {
        const column = this.#columns[name]
        return [name, column ? asRead(column, value) : value]
      }),
    )
  }

  /** As it lies in the cache: secrets stay encrypted there. */
  #pack(row: AnyRow): AnyRow {
    if (this.#secret.size === 0) return row
    const packed: AnyRow = { ...row }
    for (const name of this.#secret) if (row[name] !== null) packed[name] = this.#columns[name]?.mapToDriverValue(row[name])
    return packed
  }

  /** A row of an older version of the code may lack a column: then it is a miss. */
  #unpack(cached: AnyRow | undefined): AnyRow | undefined {
    if (!cached) return undefined
    for (const name of Object.keys(this.#columns)) if (!(name in cached)) return undefined
    for (const name of this.#secret) if (cached[name] !== null) cached[name] = this.#columns[name]?.mapFromDriverValue(cached[name])
    return cached
  }

  #missing(): never {
    const reason = `${this.resource.toUpperCase()}_NOT_FOUND`
    throw new AppError(reason, 'NOT_FOUND', { message: `The ${this.resource} does not exist.` })
  }
}

const isCustom = (column: MySqlColumn) => column.columnType === 'MySqlCustomColumn'
/** `secretText` columns. */
const isSecretColumn = (column: MySqlColumn | undefined) => column !== undefined && isCustom(column) && column.getSQLType() === 'text'

/** A value as the database would give it back, e.g. a time with all six digits. */
const asRead = (column: MySqlColumn, value: unknown): unknown =>
  value === null || !isCustom(column) || isSecretColumn(column) ? value : column.mapFromDriverValue(column.mapToDriverValue(value))

const pick = (row: AnyRow, names: readonly string[]) => Object.fromEntries(names.map(name => [name, row[name]]))
