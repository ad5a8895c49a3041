import type { Action, ActionResult, Activeflow } from '@voipbin/generated/schemas'
import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestApp, testApp } from '../test-app.ts'
import { FakeCalls, FakeWebhooks, type Started } from './flow-fixture.ts'
import flow from './service.ts'

const mine = { customer_id: uuid7() }
const theirs = { customer_id: uuid7() }
let app: TestApp
let call: FakeCalls
let hooks: FakeWebhooks
const fakes = { call: new FakeCalls(), hooks: new FakeWebhooks() }

beforeAll(async () => {
  app = await testApp({ services: [flow], standIns: [fakes.call.service, fakes.hooks.service], env: { HTTP_ALLOW_PRIVATE: 'false' } })
})
afterAll(() => app.close())
beforeEach(() => {
  call = fakes.call
  hooks = fakes.hooks
  app.events.length = 0
})
afterEach(() => {
  call.started.clear()
  call.hungup.length = 0
  call.instantly = undefined
  call.failures = 0
  hooks.sent.length = 0
})

const sent = () => app.events.map(event => event.event_type)
const answer: Action = { type: 'answer', option: {} }
const talk = (text = 'hello'): Action => ({ type: 'talk', option: { text, language: 'en-US' } })
const hook = (sync: boolean, data = ''): Action => ({ type: 'webhook_send', option: { uri: 'https://example.com/', method: 'POST', data_type: 'application/json', data, sync } })
const digits: Action = { type: 'digits_receive', option: { duration: 1000, length: 1, key: '' } }
const hangup: Action = { type: 'hangup', option: { reason: 'normal_clearing' } }
const missing = uuid7()

describe('flows', () => {
  const create = (actions: Action[] = [answer], as = mine) => app.call('createFlow', { name: 'n', detail: '', actions }, as)

  test('createFlow fills in ids and says so to everybody', async () => {
    const made = await create([answer, talk()])
    expect(made).toMatchObject({ customer_id: mine.customer_id, name: 'n', detail: '', tm_delete: null })
    expect(made.actions.map(action => action.id)).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), expect.stringMatching(/^[0-9a-f-]{36}$/)])
    await until(() => app.events.length === 1)
    expect(app.events[0]).toMatchObject({ event_type: 'flow.created', resource_id: made.id, data: { id: made.id, actions: made.actions } })
    expect(await app.call('getFlow', { id: made.id }, mine)).toEqual(made)
    expect(await app.ownerOf('flow', 'flow', made.id)).toBe(mine.customer_id)
  })

  test.each([
    { when: 'a jump leads nowhere', actions: [{ ...answer, next_id: missing }], error: 'ACTION_TARGET_UNKNOWN', field: '/actions/0/next_id' },
    { when: 'an id comes twice', actions: [{ ...answer, id: missing }, { ...answer, id: missing }], error: 'ACTION_ID_DUPLICATE', field: '/actions/1/id' },
    {
      when: 'a conference is dialled',
      actions: [{ type: 'connect' as const, option: { destinations: [{ type: 'conference' as const, target: 'x' }], dial_timeout: 60, early_media: false, relay_reason: false } }],
      error: 'ADDRESS_TYPE_REFUSED',
      field: '/actions/0/option/destinations/0/type',
    },
  ])('createFlow and updateFlow refuse it when $when', async ({ actions, error, field }) => {
    const wrong = { reason: error, details: [{ field }] }
    await expect(create(actions)).rejects.toMatchObject(wrong)
    const { id } = await create()
    await until(() => app.events.length === 1)
    await expect(app.call('updateFlow', { id, actions }, mine)).rejects.toMatchObject(wrong)
    expect(sent()).toEqual(['flow.created'])
  })

  test('updateFlow changes what is named', async () => {
    const made = await create()
    const changed = await app.call('updateFlow', { id: made.id, name: 'other' }, mine)
    expect(changed).toMatchObject({ name: 'other', actions: made.actions })
    const replaced = await app.call('updateFlow', { id: made.id, actions: [talk()] }, mine)
    expect(replaced.actions).toMatchObject([{ type: 'talk' }])
    await until(() => app.events.length === 3)
    expect(sent()).toEqual(['flow.created', 'flow.updated', 'flow.updated'])
  })

  test('listFlows and deleteFlow', async () => {
    const as = { customer_id: uuid7() }
    const first = await create([answer], as)
    const second = await app.call('createFlow', { name: 'named', detail: '', actions: [] }, as)
    expect((await app.call('listFlows', { page_size: 50 }, as)).result.map(row => row.id)).toEqual([second.id, first.id])
    expect((await app.call('listFlows', { page_size: 50, name: 'named' }, as)).result.map(row => row.id)).toEqual([second.id])
    expect(await app.call('deleteFlow', { id: first.id }, as)).toMatchObject({ id: first.id, tm_delete: expect.any(String) })
    expect((await app.call('listFlows', { page_size: 50 }, as)).result).toHaveLength(1)
    await until(() => sent().includes('flow.deleted'))
  })

  test('a customer may have so many', async () => {
    const customer_id = uuid7()
    const now = '2026-01-20 12:00:00.000000'
    await app.query(
      `INSERT INTO flow_flows (id, customer_id, tm_create, tm_update, name, detail, actions) SELECT CONCAT(?, LPAD(seq, 5, '0')), ?, ?, ?, 'n', '', '[]' FROM seq_1_to_10000`,
      [customer_id.slice(0, 30), customer_id, now, now],
    )
    await expect(create([], { customer_id })).rejects.toMatchObject({ reason: 'FLOW_LIMIT_REACHED' })
  })

  test.each(['getFlow', 'updateFlow', 'deleteFlow'] as const)('%s: a foreign flow looks like a missing one', async operation => {
    const { id } = await create()
    for (const [who, wanted] of [[theirs, id], [mine, missing]] as const) {
      await expect(app.call(operation, { id: wanted }, who)).rejects.toMatchObject({ reason: 'FLOW_NOT_FOUND' })
    }
    expect((await app.call('listFlows', { page_size: 50 }, theirs)).result).toEqual([])
  })
})

/** A run on a new call. */
async function start(actions: Action[], fields: { start_on_answer?: boolean; variables?: Record<string, string> } = {}): Promise<Activeflow & { call_id: string }> {
  const input = { actions, reference_type: 'call' as const, reference_id: uuid7(), start_on_answer: false, variables: {}, webhook_uri: null, webhook_method: 'POST' as const, ...fields }
  return (await app.call('startActiveflow', input, mine)) as Activeflow & { call_id: string }
}
const read = (id: string): Promise<Activeflow> => app.call('getActiveflow', { id }, mine)
const ended = (id: string) =>
  until(async () => {
    const run = await read(id)
    return run.status === 'ended' ? run : undefined
  })
const reached = (type: Action['type'], nth = 1): Promise<Started> => until(() => [...call.started.values()].filter(started => started.action.type === type)[nth - 1], { what: `${type} #${nth}` })
const finish = (run: { id: string; call_id: string }, started: Started, result: ActionResult = { outcome: 'ok' }) =>
  app.publish('call', {
    event_type: 'call.action_finished',
    resource_id: run.call_id,
    customer_id: mine.customer_id,
    data: { call_id: run.call_id, activeflow_id: run.id, action_run_id: started.action_run_id, result },
  })
const callEvent = (event_type: string, id: string) => app.publish('call', { event_type, data: { id, customer_id: mine.customer_id } })
const trace = (run: Activeflow) => run.executed_actions.map(({ type, result }) => `${type} ${result?.outcome ?? 'runs'}`)
const variables = async (id: string) => (await app.call('getActiveflowVariables', { id }, mine)).variables

describe('a run on a call', () => {
  test('goes from prompt to digits to branch and hangs up at the end', async () => {
    const [one, two] = [uuid7(), uuid7()]
    const menu: Action = { type: 'branch', option: { variable: 'voipbin.call.digits', target_ids: { '1': one, '2': two }, default_target_id: null } }
    const run = await start([answer, talk('press ${what}'), digits, menu, { ...talk('one'), id: one }, { ...talk('you pressed ${voipbin.call.digits}'), id: two }], { variables: { what: 'a key' } })
    expect(run).toMatchObject({ status: 'running', end_reason: null, reference_type: 'call', call_id: run.reference_id, flow_id: null, current_action: null, executed_actions: [] })
    const prompt = await reached('talk')
    expect(prompt.action).toMatchObject({ option: { text: 'press a key' } })
    expect(await read(run.id)).toMatchObject({ current_action: prompt.action, current_action_run_id: prompt.action_run_id })
    await finish(run, prompt)
    await finish(run, await reached('digits_receive'), { outcome: 'ok', digits: '2' })
    const told = await reached('talk', 2)
    expect(told.action).toMatchObject({ id: two, option: { text: 'you pressed 2' } })
    expect((await variables(run.id))['voipbin.call.digits']).toBe('2')
    await finish(run, told)
    const over = await ended(run.id)
    expect(over).toMatchObject({ end_reason: 'completed', current_action: null, tm_end: expect.any(String) })
    expect(trace(over)).toEqual(['answer ok', 'talk ok', 'digits_receive ok', 'branch ok', 'talk ok'])
    await until(() => call.hungup.includes(run.call_id))
    await until(() => sent().at(-1) === 'activeflow.ended')
    expect(sent()).toEqual(['activeflow.created', ...Array(4).fill('activeflow.updated'), 'activeflow.ended'])
    expect(JSON.stringify(app.events)).not.toContain('action_run_id')
  })

  test('asked for twice is one run', async () => {
    const reference_id = uuid7()
    const input = { actions: [talk()], reference_type: 'call' as const, reference_id, start_on_answer: false, variables: {}, webhook_uri: null, webhook_method: 'POST' as const }
    const runs = await Promise.all(Array.from({ length: 5 }, () => app.call('startActiveflow', input, mine)))
    expect(new Set(runs.map(run => run.id)).size).toBe(1)
    await reached('talk')
    expect(call.started.size).toBe(1)
  })

  test('waits for the answer when told to', async () => {
    const run = await start([talk()], { start_on_answer: true })
    await callEvent('call.answered', uuid7())
    expect(await read(run.id)).toMatchObject({ executed_actions: [] })
    await callEvent('call.answered', run.call_id)
    await reached('talk')
    await callEvent('call.answered', run.call_id)
    await callEvent('call.hungup', run.call_id)
    expect(trace(await ended(run.id))).toEqual(['talk canceled'])
    expect(call.started.size).toBe(1)
  })

  test.each(['call.hungup', 'call.deleted'])('ends with %s', async event_type => {
    const run = await start([talk(), talk()])
    const playing = await reached('talk')
    await callEvent(event_type, run.call_id)
    const over = await ended(run.id)
    expect(over).toMatchObject({ end_reason: 'hung_up' })
    await finish(run, playing, { outcome: 'canceled' })
    await callEvent('call.hungup', run.call_id)
    await until(() => sent().includes('activeflow.ended'))
    expect(trace(await read(run.id))).toEqual(['talk canceled'])
    expect(sent().filter(type => type === 'activeflow.ended')).toHaveLength(1)
    expect(call.hungup).toEqual([])
  })

  test('an action broken off by the end of the call ends the run, whichever event comes first', async () => {
    const run = await start([talk(), talk()])
    call.over.add(run.call_id)
    await finish(run, await reached('talk'), { outcome: 'canceled' })
    expect(await ended(run.id)).toMatchObject({ end_reason: 'hung_up' })
    expect(call.started.size).toBe(1)
  })

  test('an action that failed or was broken off otherwise is passed over', async () => {
    const run = await start([talk('a'), talk('b'), talk('c')])
    await finish(run, await reached('talk'), { outcome: 'canceled' })
    await finish(run, await reached('talk', 2), { outcome: 'failed', detail: 'no' })
    await reached('talk', 3)
    expect(trace(await read(run.id))).toEqual(['talk canceled', 'talk failed', 'talk runs'])
  })

  test('an outcome nobody waits for changes nothing', async () => {
    const run = await start([talk('a'), talk('b'), talk('c')])
    const first = await reached('talk')
    await finish(run, first)
    const second = await reached('talk', 2)
    await finish(run, first)
    await finish(run, { ...second, action_run_id: uuid7() })
    await finish(run, second)
    await reached('talk', 3)
    expect(call.started.size).toBe(3)
  })

  test('the action hangup ends it as completed', async () => {
    const run = await start([answer, hangup, talk()])
    expect(trace(await ended(run.id))).toEqual(['answer ok', 'hangup ok'])
    expect(await read(run.id)).toMatchObject({ end_reason: 'completed' })
  })

  test('an action that is no action once its variables are filled in fails, and the next follows', async () => {
    const run = await start([talk('${nothing}'), talk('still here')])
    const next = await reached('talk')
    expect(next.action).toMatchObject({ option: { text: 'still here' } })
    expect(trace(await read(run.id))).toEqual(['talk failed', 'talk runs'])
  })

  test('a call service that is away for a while is waited for', async () => {
    call.failures = 2
    const run = await start([talk()])
    await reached('talk')
    expect(call.failures).toBe(0)
    await callEvent('call.hungup', run.call_id)
    await ended(run.id)
  })

  test('stopActiveflow ends it and hangs up, once', async () => {
    const run = await start([talk()])
    await reached('talk')
    expect(await app.call('stopActiveflow', { id: run.id }, mine)).toMatchObject({ status: 'ended', end_reason: 'stopped', current_action: null })
    expect(await app.call('stopActiveflow', { id: run.id }, mine)).toMatchObject({ end_reason: 'stopped' })
    expect(call.hungup).toEqual([run.call_id])
    await until(() => sent().includes('activeflow.ended'))
    expect(sent().filter(type => type === 'activeflow.ended')).toHaveLength(1)
  })

  test('a loop ends at its count', async () => {
    const top = uuid7()
    call.instantly = () => ({ outcome: 'ok' })
    const run = await start([{ ...talk(), id: top }, { type: 'goto', option: { target_id: top, loop_count: 3 } }])
    const over = await ended(run.id)
    expect(trace(over)).toEqual(['talk ok', 'goto ok', 'talk ok', 'goto ok', 'talk ok', 'goto ok', 'talk ok', 'goto ok'])
  })

  test('more than a thousand actions are too many', async () => {
    const [top, back] = [uuid7(), uuid7()]
    call.instantly = () => ({ outcome: 'ok' })
    const spin: Action = { id: back, type: 'branch', option: { variable: 'none', target_ids: {}, default_target_id: back } }
    const run = await start([{ ...talk(), id: top }, spin])
    const over = await ended(run.id)
    expect(over).toMatchObject({ end_reason: 'limit_reached' })
    expect(over.executed_actions).toHaveLength(100)
    await until(() => call.hungup.includes(run.call_id))
  })
})

describe('what a flow does by itself', () => {
  test('sleep waits as long as it says', async () => {
    const begun = Date.now()
    const run = await start([{ type: 'sleep', option: { duration: 300 } }, talk()])
    await reached('talk')
    expect(Date.now() - begun).toBeGreaterThanOrEqual(295)
    expect(Date.now() - begun).toBeLessThan(1_000)
    expect(trace(await read(run.id))).toEqual(['sleep ok', 'talk runs'])
  })

  test.each([
    { sync: false, answer: { status_code: null, body: '' }, outcome: 'ok', status: undefined },
    { sync: true, answer: { status_code: 201, body: 'thanks' }, outcome: 'ok', status: '201' },
    { sync: true, answer: { status_code: 500, body: 'no' }, outcome: 'failed', status: '500' },
    { sync: true, answer: { status_code: null, body: '' }, outcome: 'failed', status: '' },
  ])('webhook_send (sync $sync) answered $answer.status_code is $outcome', async ({ sync, answer: reply, outcome, status }) => {
    hooks.answer = reply
    const run = await start([hook(sync, '{"order":"${order}"}'), talk()], { variables: { order: 'A-1' } })
    await reached('talk')
    expect(hooks.sent).toEqual([expect.objectContaining({ activeflow_id: run.id, action_run_id: expect.any(String), uri: 'https://example.com/', data: '{"order":"A-1"}', sync })])
    expect(trace(await read(run.id))).toEqual([`webhook_send ${outcome}`, 'talk runs'])
    const set = await variables(run.id)
    expect(set['voipbin.webhook.status_code']).toBe(status)
    expect(set['voipbin.webhook.body']).toBe(sync ? reply.body : undefined)
  })
})

describe('a run by request', () => {
  const create = (fields: object, as = mine) => app.call('createActiveflow', { variables: {}, webhook_method: 'POST', ...fields }, as)

  test('skips what needs a call', async () => {
    const { id: flow_id } = await app.call('createFlow', { name: 'n', detail: '', actions: [answer, talk(), hook(false), hangup, talk()] }, mine)
    const run = await create({ flow_id, variables: { order: 'A-1' } })
    expect(run).toMatchObject({ flow_id, reference_type: 'api', reference_id: null, call_id: null })
    const over = await ended(run.id)
    expect(trace(over)).toEqual(['answer skipped', 'talk skipped', 'webhook_send ok', 'hangup skipped'])
    expect(over).toMatchObject({ end_reason: 'completed' })
    expect(await variables(run.id)).toEqual({
      order: 'A-1',
      'voipbin.activeflow.id': run.id,
      'voipbin.activeflow.flow_id': flow_id,
      'voipbin.activeflow.reference_type': 'api',
      'voipbin.activeflow.reference_id': '',
    })
    expect(call.started.size).toBe(0)
    expect((await app.call('listActiveflows', { page_size: 50, flow_id }, mine)).result.map(row => row.id)).toEqual([run.id])
    expect(await app.query('SELECT action FROM kernel_audits WHERE resource_id = ?', [run.id])).toEqual([{ action: 'create' }])
  })

  test.each([
    { when: 'there is neither flow nor actions', fields: {}, error: 'INVALID_ARGUMENT' },
    { when: 'there are both', fields: { flow_id: missing, actions: [] }, error: 'INVALID_ARGUMENT' },
    { when: 'the flow is missing', fields: { flow_id: missing }, error: 'FLOW_NOT_FOUND' },
    { when: 'a jump leads nowhere', fields: { actions: [{ ...answer, next_id: missing }] }, error: 'ACTION_TARGET_UNKNOWN' },
    { when: 'a variable is the platform’s', fields: { actions: [], variables: { 'voipbin.call.id': 'x' } }, error: 'VARIABLE_RESERVED' },
    { when: 'a variable has no name', fields: { actions: [], variables: { 'a b': 'x' } }, error: 'INVALID_ARGUMENT' },
    { when: 'variables are too large', fields: { actions: [], variables: { a: 'x'.repeat(32_768), b: 'x'.repeat(32_768) } }, error: 'VARIABLES_TOO_LARGE' },
    { when: 'the webhook is a private address', fields: { actions: [], webhook_uri: 'http://169.254.169.254/latest' }, error: 'WEBHOOK_URI_REFUSED' },
  ])('is refused when $when', async ({ fields, error }) => {
    await expect(create(fields)).rejects.toMatchObject({ reason: error })
    expect(sent()).toEqual([])
  })

  test('its variables are read, set and removed while it runs', async () => {
    const { id } = await create({ actions: [{ type: 'sleep', option: { duration: 3_600_000 } }], variables: { a: '1' } })
    expect((await app.call('setActiveflowVariables', { id, variables: { a: '2', b: '3' } }, mine)).variables).toMatchObject({ a: '2', b: '3', 'voipbin.activeflow.id': id })
    expect((await app.call('deleteActiveflowVariable', { id, name: 'a' }, mine)).variables).not.toHaveProperty('a')
    expect((await app.call('deleteActiveflowVariable', { id, name: 'a' }, mine)).variables).toMatchObject({ b: '3' })
    await expect(app.call('setActiveflowVariables', { id, variables: { 'voipbin.x': '1' } }, mine)).rejects.toMatchObject({ reason: 'VARIABLE_RESERVED' })
    await expect(app.call('deleteActiveflowVariable', { id, name: 'voipbin.activeflow.id' }, mine)).rejects.toMatchObject({ reason: 'VARIABLE_RESERVED' })
    await expect(app.call('setActiveflowVariables', { id, variables: { c: 'x'.repeat(32_768), d: 'x'.repeat(32_768) } }, mine)).rejects.toMatchObject({ reason: 'VARIABLES_TOO_LARGE' })
    expect(await app.call('deleteActiveflow', { id }, mine)).toMatchObject({ id, status: 'ended', end_reason: 'stopped', tm_delete: expect.any(String) })
    await until(() => sent().includes('activeflow.deleted'))
    expect(sent().filter(type => type !== 'activeflow.updated')).toEqual(['activeflow.created', 'activeflow.ended', 'activeflow.deleted'])
    expect(await app.query('SELECT * FROM flow_timers WHERE timer_key = ?', [`run:${id}`])).toEqual([])
  })

  test('that has ended takes no variables', async () => {
    const { id } = await create({ actions: [] })
    await ended(id)
    await expect(app.call('setActiveflowVariables', { id, variables: { a: '1' } }, mine)).rejects.toMatchObject({ reason: 'ACTIVEFLOW_ENDED' })
    await expect(app.call('deleteActiveflowVariable', { id, name: 'a' }, mine)).rejects.toMatchObject({ reason: 'ACTIVEFLOW_ENDED' })
  })

  test.each([
    { operation: 'getActiveflow' as const, more: {} },
    { operation: 'deleteActiveflow' as const, more: {} },
    { operation: 'stopActiveflow' as const, more: {} },
    { operation: 'getActiveflowVariables' as const, more: {} },
    { operation: 'setActiveflowVariables' as const, more: { variables: {} } },
    { operation: 'deleteActiveflowVariable' as const, more: { name: 'a' } },
  ])('$operation: a foreign run looks like a missing one', async ({ operation, more }) => {
    const { id } = await create({ actions: [] })
    await expect(app.call(operation, { id, ...more } as never, theirs)).rejects.toMatchObject({ reason: 'ACTIVEFLOW_NOT_FOUND' })
    await expect(app.call(operation, { id: missing, ...more } as never, mine)).rejects.toMatchObject({ reason: 'ACTIVEFLOW_NOT_FOUND' })
    expect((await app.call('listActiveflows', { page_size: 50 }, theirs)).result).toEqual([])
  })
})

test('what a deleted customer had is ended and removed', async () => {
  const as = { customer_id: uuid7() }
  const made = await app.call('createFlow', { name: 'n', detail: '', actions: [] }, as)
  const run = await app.call('createActiveflow', { actions: [{ type: 'sleep', option: { duration: 3_600_000 } }], variables: {}, webhook_method: 'POST' }, as)
  await app.publish('customer', { event_type: 'customer.deleted', data: { id: as.customer_id } })
  await until(async () => (await app.call('getActiveflow', { id: run.id }, as)).status === 'ended')
  await until(async () => (await app.call('listFlows', { page_size: 50 }, as)).result.length === 0)
  await until(() => app.events.some(event => event.event_type === 'flow.deleted' && event.resource_id === made.id))
})
