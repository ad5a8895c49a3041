import { expect, test } from 'vitest'
import { alpha, beta } from '../test/fixture.ts'
import { caller, world } from '../test/setup.ts'
import { listAudits, recordAudit } from './audit.ts'
import { uuid7 } from './id.ts'
import type { Service } from './service.ts'

test('an audit row says where the request came from, over every hop', async () => {
  const audited: Service = {
    ...beta,
    handlers: { addNote: ctx => ctx.tx(async tx => recordAudit(tx, { action: 'create', resource_type: 'note', resource_id: 'n-1' })) },
  }
  await using here = await world()
  const { rpc } = await here.serve([alpha, audited])
  const from = { customer_id: uuid7(), actor: { type: 'agent', id: 'me' } as const, address: '203.0.113.7', user_agent: 'test/1' }
  // alpha's noteItem asks beta's addNote, which writes the row.
  await rpc.call(caller(from), 'noteItem', { id: uuid7(), text: 'hello' })
  const { result } = await listAudits({ db: here.database.db, customer_id: from.customer_id })
  expect(result).toMatchObject([
    { action: 'create', actor_type: 'agent', actor_id: 'me', address: from.address, user_agent: from.user_agent },
  ])
})
