import { stamp, uuid7 } from '@voipbin/kernel'
import { testContext, testDatabase } from '@voipbin/kernel/testing'
import { expect, test } from 'vitest'
import { activeCalls } from './active-calls.ts'
import { insertLeg } from './legs.ts'
import type { Ctx } from './lifecycle.ts'
import { asteriskTable, calls, callTable } from './schema.ts'

test('counts the calls of all customers that are on an Asterisk and have not ended', async () => {
  await using database = await testDatabase({ tables: [callTable, asteriskTable] })
  await database.db.insert(asteriskTable).values({ id: 'a-1', boot_id: 'b', connected: true, tm_update: stamp() })
  const address = { type: 'tel', target: '+15551230100', target_name: '', name: '', detail: '' } as const
  const leg = { destination: address, dial_uri: '', dialroutes: [], owner: { owner_type: 'customer', owner_id: uuid7() } } as const
  const start = (asterisk_id: string | null) => {
    const ctx = testContext({ database }) as Ctx
    const options = { type: 'flow', source: address, dial_timeout: 30, max_duration: 60, asterisk_id } as const
    return ctx.tx(tx => insertLeg(tx, { ...leg, dialroutes: [] }, options))
  }
  const [first] = [await start('a-1'), await start('a-1'), await start(null)]
  expect(await activeCalls(database)).toBe(2)
  await testContext({ database }).tx(tx => calls.system.update(tx, first, { status: 'completed' }))
  expect(await activeCalls(database)).toBe(1)
})
