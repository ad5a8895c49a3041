import { once } from 'node:events'
import type { CustomerContext } from '@voipbin/generated/rpc/customer'
import { isDuplicate, operatorCustomerId } from '@voipbin/kernel'
import { config } from './config.ts'
import { defaultLimits } from './handlers/customers.ts'
import { emailKey, newWebhookSecret, shownCustomer } from './rules.ts'
import { customers } from './schema.ts'

/** Job: makes the operator's own customer on a new installation. Its id is fixed, so that nothing has to look for it. */
export async function makeOperator(ctx: CustomerContext): Promise<void> {
  if (!(await customers.system.get({ db: ctx.db }, operatorCustomerId))) await insertOperator(ctx)
  if (!ctx.signal.aborted) await once(ctx.signal, 'abort')
}

async function insertOperator(ctx: CustomerContext): Promise<void> {
  const { OPERATOR_NAME, OPERATOR_EMAIL } = config.of(ctx)
  try {
    await ctx.tx(async tx => {
      const row = await customers.system.insert(tx, {
        id: operatorCustomerId,
        customer_id: operatorCustomerId,
        name: OPERATOR_NAME,
        detail: '',
        email: OPERATOR_EMAIL,
        email_key: emailKey(OPERATOR_EMAIL),
        phone_number: '',
        address: '',
        status: 'active',
        webhook_method: 'POST',
        webhook_secret: newWebhookSecret(),
        rate_limits: defaultLimits,
      })
      await tx.emit('customer.created', shownCustomer(row))
    })
    ctx.log.info('customer of the operator made')
  } catch (error) {
    // Another instance was quicker. A taken e-mail address is a mistake in the configuration and must show.
    if (!isDuplicate(error, 'PRIMARY')) throw error
  }
}
