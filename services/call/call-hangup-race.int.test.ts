import { type Database, openDb, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { expect, test } from 'vitest'
import { app, asterisk, hangup, mine, story, talking } from './call-fixture.ts'
import { actions } from './schema.ts'

// An action that hangs up and the end of its call both write the action, at the same moment: Asterisk tells the end before it answers the request.

/** Keeps the row of an action: whoever writes it comes so far and waits until this is disposed of. */
async function holdAction(database: Database, id: string): Promise<AsyncDisposable> {
  const held = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  const holding = database.transaction(async db => {
    expect(await actions.system.find({ db }, { id }, { forUpdate: true })).toMatchObject([{ status: 'running' }])
    held.resolve()
    await over.promise
  })
  await Promise.race([held.promise, holding])
  return {
    async [Symbol.asyncDispose]() {
      over.resolve()
      await holding
    },
  }
}

/** Statements of the call service that are at the server now: those that write the action, and those that lock its call. */
async function underWay(about: { action_run_id: string; id: string }): Promise<{ writing: number; locking: number }> {
  const rows = await app.query<{ INFO: string }>(
    'SELECT INFO FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO IS NOT NULL',
  )
  const statements = rows.map(({ INFO }) => INFO)
  const writing = statements.filter(text => text.startsWith('update `call_actions`') && text.includes(about.action_run_id))
  const locking = statements.filter(text => /^select .* from `call_calls` .* for update$/s.test(text) && text.includes(about.id))
  return { writing: writing.length, locking: locking.length }
}

test.each([
  { first: 'action', second: 'call', told: [] },
  { first: 'call', second: 'action', told: [{ outcome: 'ok' }] },
] as const)('a hangup and the end of its call: the $first writes first, both come through', async ({ first, second, told }) => {
  await using database = openDb({ url: app.address.mysql_url, pool_max: 1 })
  const { id, channel_id } = await talking()
  const answer = Promise.withResolvers<void>()
  asterisk.held = answer.promise
  const action_run_id = uuid7()
  const ran = app.call('runCallAction', { id, activeflow_id: uuid7(), action_run_id, action: hangup }, mine)
  const result = ran.catch((error: unknown) => error)
  await until(() => asterisk.of('hangupChannel', channel_id).length === 1)
  // It would end the call in ten seconds, had the news of the end been lost.
  await app.query('DELETE FROM call_timers WHERE timer_key = ?', [`hangup_check:${id}`])
  const write = { action: async () => answer.resolve(), call: () => asterisk.end(channel_id, { requested: true }) }
  {
    await using _row = await holdAction(database, action_run_id)
    await write[first]()
    await until(async () => (await underWay({ action_run_id, id })).writing === 1, { what: `the ${first} at the row of the action` })
    await write[second]()
    // It waits for the first one: for its call, that is, or it would have read what the first one is about to change.
    await until(
      async () => {
        const { writing, locking } = await underWay({ action_run_id, id })
        return writing + locking === 2
      },
      { what: `the ${second} behind it` },
    )
  }
  expect(await result).toEqual({ done: true, result: { outcome: 'ok' } })
  expect((await story(id)).slice(-2)).toEqual(['updated terminating', 'hungup'])
  const ends = app.events.filter(event => event.event_type === 'call.action_finished').map(({ data }) => data as object)
  expect(ends).toEqual(told.map(end => expect.objectContaining({ action_run_id, result: end })))
})
