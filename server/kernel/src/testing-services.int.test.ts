import { int, mysqlTable, varchar } from 'drizzle-orm/mysql-core'
import { expect, test } from 'vitest'
import { alpha, beta, errors } from '../test/fixture.ts'
import { listAudits, recordAudit } from './audit.ts'
import type { Context } from './context.ts'
import { uuid7 } from './id.ts'
import { testServices } from './testing-services.ts'

const items = mysqlTable('alpha_items', {
  id: varchar({ length: 36 }).primaryKey(),
  name: varchar({ length: 64 }).notNull(),
  hits: int().notNull().default(0),
})

test('runs a service with its peers answered by the test', async () => {
  await using app = await testServices([alpha], {
    errors,
    tables: [items],
    peers: { addNote: ({ text }: { text: string }) => ({ noted: text }) },
  })
  const id = uuid7()
  await app.call('createItem', { id, name: 'n' }, { agent_id: 'me' })
  expect(await app.call('noteItem', { id, text: 'hello' })).toEqual({ noted: 'hello' })
  await app.event(event => event.event_type === 'item.hit' && event.resource_seq === 3)
  expect(app.events.map(event => event.event_type)).toEqual(['item.created', 'item.hit', 'item.hit'])
  await expect(app.call('getItem', { id: 'none' })).rejects.toMatchObject({ reason: 'ITEM_NOT_FOUND' })
})

test('an audit row says where the request came from, over every hop', async () => {
  const audited = {
    ...beta,
    handlers: {
      addNote: (ctx: Context) => ctx.tx(async tx => recordAudit(tx, { action: 'create', resource_type: 'note', resource_id: 'n-1' })),
    },
  }
  await using app = await testServices([alpha, audited as unknown as typeof beta], { errors, tables: [items] })
  const customer_id = uuid7()
  const from = { address: '203.0.113.7', user_agent: 'test/1' }
  // alpha's noteItem asks beta's addNote, which writes the row.
  await app.call('noteItem', { id: uuid7(), text: 'hello' }, { customer_id, agent_id: 'me', ...from })
  const { result } = await listAudits({ db: app.database.db, customer_id })
  expect(result).toMatchObject([{ action: 'create', actor_type: 'agent', actor_id: 'me', ...from }])
})

test('sends a service the events of others', async () => {
  const heard: string[] = []
  const listener = {
    ...beta,
    consumers: {
      ...beta.consumers,
      'item.hit': async (_ctx: unknown, event: { resource_id: string }) => void heard.push(event.resource_id),
    },
  }
  await using app = await testServices([listener as typeof beta], { errors })
  await app.publish('alpha', { event_type: 'item.hit', resource_id: 'one' })
  await expect.poll(() => heard).toEqual(['one'])
})
