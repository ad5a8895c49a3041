import type { CustomerContext, CustomerHandlers } from '@voipbin/generated/rpc/customer'
import type { Customer } from '@voipbin/generated/schemas'
import { decryptText, encryptText, invalidate, isDuplicate, mayRequest, operatorCustomerId, type Patch, type Tx } from '@voipbin/kernel'
import { config } from '../config.ts'
import { activeSecrets, emailKey, newWebhookSecret, retireSecret, shownAccesskey, shownCustomer } from '../rules.ts'
import { accesskeys, type CustomerRow, customers, type customerTable } from '../schema.ts'

type Ctx = Pick<CustomerContext, 'config' | 'tx'> & { error(reason: 'CUSTOMER_EMAIL_TAKEN' | 'WEBHOOK_URI_REFUSED', data?: object): Error }

function checkUri(ctx: Ctx, uri: string | null | undefined): void {
  if (!uri || mayRequest(uri, config.of(ctx))) return
  throw ctx.error('WEBHOOK_URI_REFUSED', {
    details: [{ field: '/webhook_uri', rule: 'public', expected: 'a public http or https address' }],
  })
}

/** The one unique key a write can break is the e-mail address. */
async function unlessTaken<T>(ctx: Ctx, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (isDuplicate(error, 'customer_customers_email')) throw ctx.error('CUSTOMER_EMAIL_TAKEN')
    throw error
  }
}

type Changes = Patch<typeof customerTable>
function change(ctx: Ctx, patch: Changes, write: (tx: Tx, patch: Changes) => Promise<CustomerRow>): Promise<Customer> {
  checkUri(ctx, patch.webhook_uri)
  const whole = patch.email === undefined ? patch : { ...patch, email_key: emailKey(patch.email) }
  const changed = ctx.tx(async tx => {
    const customer = shownCustomer(await write(tx, whole))
    await tell(tx, 'customer.updated', customer)
    return customer
  })
  return unlessTaken(ctx, changed)
}

/** The event, and the webhook service's cache, which holds what `getCustomerWebhook` has answered. */
async function tell(tx: Tx, event: 'customer.updated' | 'customer.deleted', customer: Customer): Promise<void> {
  tx.afterCommit(() => invalidate(`customer:${customer.id}:webhook`))
  await tx.emit(event, customer)
}

/** What other services ask with an id and no customer of their own. */
async function live(ctx: Pick<CustomerContext, 'db' | 'cache'> & { error(reason: 'CUSTOMER_NOT_FOUND'): Error }, id: string) {
  const row = await customers.system.get(ctx, id)
  if (!row) throw ctx.error('CUSTOMER_NOT_FOUND')
  return row
}

export const customerHandlers = {
  listCustomers: async (ctx, { page_size, page_token, status, email }) => {
    // Deleted rows are in no list.
    if (status === 'deleted') return { result: [], next_page_token: '' }
    const where = { status, email_key: email === undefined ? undefined : emailKey(email) }
    const page = await customers.system.list(ctx, { page_size, page_token, where })
    return { ...page, result: page.result.map(shownCustomer) }
  },
  createCustomer: async (ctx, { webhook_uri = null, ...input }) => {
    checkUri(ctx, webhook_uri)
    const created = ctx.tx(async tx => {
      const id = tx.newId()
      const webhook_secret = newWebhookSecret()
      const row = await customers.system.insert(tx, {
        ...input,
        id,
        customer_id: id,
        email_key: emailKey(input.email),
        status: 'active',
        webhook_uri,
        webhook_secret,
      })
      const customer = shownCustomer(row)
      await tx.emit('customer.created', customer)
      // What a transaction returns is kept for a day: never a secret in plain text.
      return { customer, sealed: encryptText(webhook_secret) }
    })
    const { customer, sealed } = await unlessTaken(ctx, created)
    return { ...customer, webhook_secret: decryptText(sealed) }
  },
  getCustomer: async (ctx, { id }) => shownCustomer(await live(ctx, id)),
  updateCustomer: async (ctx, { id, ...patch }) => {
    if (id === operatorCustomerId && patch.status === 'frozen') throw ctx.error('CUSTOMER_PROTECTED')
    return change(ctx, patch, (tx, whole) => customers.system.update(tx, id, whole))
  },
  deleteCustomer: async (ctx, { id }) => {
    if (id === operatorCustomerId) throw ctx.error('CUSTOMER_PROTECTED')
    return ctx.tx(async tx => {
      const customer = shownCustomer(await customers.system.remove(tx, id))
      for (;;) {
        const keys = await accesskeys.system.find(tx, { customer_id: id }, { limit: 100, forUpdate: true })
        for (const key of keys) await tx.emit('accesskey.deleted', shownAccesskey(await accesskeys.system.remove(tx, key)))
        if (keys.length < 100) break
      }
      await tell(tx, 'customer.deleted', customer)
      return customer
    })
  },
  getOwnCustomer: async ctx => shownCustomer(await customers.require(ctx, ctx.customer_id)),
  updateOwnCustomer: (ctx, patch) => change(ctx, patch, (tx, whole) => customers.update(tx, tx.customer_id, whole)),
  rotateCustomerWebhookSecret: async (ctx, { overlap = 86_400 }) => {
    const { customer, sealed } = await ctx.tx(async tx => {
      const [row] = await customers.system.find(tx, { id: tx.customer_id }, { limit: 1, forUpdate: true })
      const webhook_secret = newWebhookSecret()
      const old_webhook_secrets = row ? retireSecret(row, tx.now(), overlap) : null
      const changed = await customers.update(tx, row ?? tx.customer_id, { webhook_secret, old_webhook_secrets })
      const customer = shownCustomer(changed)
      await tell(tx, 'customer.updated', customer)
      return { customer, sealed: encryptText(webhook_secret) }
    })
    return { ...customer, webhook_secret: decryptText(sealed) }
  },
  getCustomerLimits: async (ctx, { id }) => {
    const { status, rate_limits } = await live(ctx, id)
    return { customer_id: id, status, rate_limits }
  },
  getCustomerWebhook: async (ctx, { id }) => {
    const row = await live(ctx, id)
    const { webhook_uri, webhook_method } = row
    return { customer_id: id, webhook_uri, webhook_method, secrets: activeSecrets(row, ctx.now()) }
  },
} satisfies Partial<CustomerHandlers>

/** The seeds' limits (`DECISIONS.md` 26), requests a minute. */
export const defaultLimits: CustomerRow['rate_limits'] = { api: 1_000, call_create: 100, message_create: 100, login: 10 }
