import type { Action, Activeflow } from '@voipbin/generated/schemas'
import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestApp, testApp } from '../test-app.ts'
import { answer, FakeCalls, FakeWebhooks, hangup, hook, talk, trace } from './flow-fixture.ts'
import flow from './service.ts'

let mine: { customer_id: string }
const theirs = { customer_id: uuid7() }
const missing = uuid7()
const call = new FakeCalls()
const hooks = new FakeWebhooks()
let app: TestApp

beforeAll(async () => {
  app = await testApp({ services: [flow], standIns: [call.service, hooks.service], env: { HTTP_ALLOW_PRIVATE: 'false' } })
})
afterAll(() => app.close())
beforeEach(() => {
  mine = { customer_id: uuid7() }
  call.reset()
  hooks.sent.length = 0
})

/** Of this test's customer: events of a test before may still come. */
const heard = (as = mine) => app.events.filter(event => event.customer_id === as.customer_id)
const sent = (as = mine) => heard(as).map(event => event.event_type)
const read = (id: string): Promise<Activeflow> => app.call('getActiveflow', { id }, mine)
const ended = (id: string) =>
  until(async () => {
    const run = await read(id)
    return run.status === 'ended' ? run : undefined
  })
const variables = async (id: string) => (await app.call('getActiveflowVariables', { id }, mine)).variables

describe('flows', () => {
  const create = (actions: Action[] = [answer], as = mine) => app.call('createFlow', { name: 'n', detail: '', actions }, as)

  test('createFlow fills in ids and says so to everybody', async () => {
    const made = await create([answer, talk()])
    expect(made).toMatchObject({ customer_id: mine.customer_id, name: 'n', detail: '', tm_delete: null })
    expect(made.actions.map(action => action.id)).toEqual([
      expect.stringMatching(/^[0-9a-f-]{36}$/),
      expect.stringMatching(/^[0-9a-f-]{36}$/),
    ])
    await until(() => sent().length === 1)
    expect(heard()[0]).toMatchObject({ event_type: 'flow.created', resource_id: made.id, data: { id: made.id, actions: made.actions } })
    expect(await app.call('getFlow', { id: made.id }, mine)).toEqual(made)
    expect(await app.ownerOf('flow', 'flow', made.id)).toBe(mine.customer_id)
  })

  test.each([
    {
      when: 'a jump leads nowhere',
      actions: [{ ...answer, next_id: missing }],
      error: 'ACTION_TARGET_UNKNOWN',
      field: '/actions/0/next_id',
    },
    {
      when: 'an id comes twice',
      actions: [
        { ...answer, id: missing },
        { ...answer, id: missing },
      ],
      error: 'ACTION_ID_DUPLICATE',
      field: '/actions/1/id',
    },
    {
      when: 'a conference is dialled',
      actions: [
        {
          type: 'connect' as const,
          option: {
            destinations: [{ type: 'conference' as const, target: 'x' }],
            dial_timeout: 60,
            early_media: false,
            relay_reason: false,
          },
        },
      ],
      error: 'ADDRESS_TYPE_REFUSED',
      field: '/actions/0/option/destinations/0/type',
    },
  ])('createFlow and updateFlow refuse it when $when', async ({ actions, error, field }) => {
    const wrong = { reason: error, details: [{ field }] }
    await expect(create(actions)).rejects.toMatchObject(wrong)
    const { id } = await create()
    await until(() => sent().length === 1)
    await expect(app.call('updateFlow', { id, actions }, mine)).rejects.toMatchObject(wrong)
    expect(sent()).toEqual(['flow.created'])
  })

  test('updateFlow changes what is named', async () => {
    const made = await create()
    const changed = await app.call('updateFlow', { id: made.id, name: 'other' }, mine)
    expect(changed).toMatchObject({ name: 'other', actions: made.actions })
    const replaced = await app.call('updateFlow', { id: made.id, actions: [talk()] }, mine)
    expect(replaced.actions).toMatchObject([{ type: 'talk' }])
    await until(() => sent().length === 3)
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
    await until(() => sent(as).includes('flow.deleted'))
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
    for (const [who, wanted] of [
      [theirs, id],
      [mine, missing],
    ] as const) {
      await expect(app.call(operation, { id: wanted }, who)).rejects.toMatchObject({ reason: 'FLOW_NOT_FOUND' })
    }
    expect((await app.call('listFlows', { page_size: 50 }, theirs)).result).toEqual([])
  })
})

describe('a run by request', () => {
  const create = (fields: object, as = mine) => app.call('createActiveflow', { variables: {}, webhook_method: 'POST', ...fields }, as)

  test('skips what needs a call', async () => {
    const { id: flow_id } = await app.call(
      'createFlow',
      { name: 'n', detail: '', actions: [answer, talk(), hook(false), hangup, talk()] },
      mine,
    )
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
    {
      when: 'variables are too large',
      fields: { actions: [], variables: { a: 'x'.repeat(32_768), b: 'x'.repeat(32_768) } },
      error: 'VARIABLES_TOO_LARGE',
    },
    {
      when: 'the webhook is a private address',
      fields: { actions: [], webhook_uri: 'http://169.254.169.254/latest' },
      error: 'WEBHOOK_URI_REFUSED',
    },
  ])('is refused when $when', async ({ fields, error }) => {
    await expect(create(fields)).rejects.toMatchObject({ reason: error })
    expect(sent()).toEqual([])
  })

  test('its variables are read, set and removed while it runs', async () => {
    const { id } = await create({ actions: [{ type: 'sleep', option: { duration: 3_600_000 } }], variables: { a: '1' } })
    expect((await app.call('setActiveflowVariables', { id, variables: { a: '2', b: '3' } }, mine)).variables).toMatchObject({
      a: '2',
      b: '3',
      'voipbin.activeflow.id': id,
    })
    expect((await app.call('deleteActiveflowVariable', { id, name: 'a' }, mine)).variables).not.toHaveProperty('a')
    expect((await app.call('deleteActiveflowVariable', { id, name: 'a' }, mine)).variables).toMatchObject({ b: '3' })
    await expect(app.call('setActiveflowVariables', { id, variables: { 'voipbin.x': '1' } }, mine)).rejects.toMatchObject({
      reason: 'VARIABLE_RESERVED',
    })
    await expect(app.call('deleteActiveflowVariable', { id, name: 'voipbin.activeflow.id' }, mine)).rejects.toMatchObject({
      reason: 'VARIABLE_RESERVED',
    })
    await expect(
      app.call('setActiveflowVariables', { id, variables: { c: 'x'.repeat(32_768), d: 'x'.repeat(32_768) } }, mine),
    ).rejects.toMatchObject({ reason: 'VARIABLES_TOO_LARGE' })
    expect(await app.call('deleteActiveflow', { id }, mine)).toMatchObject({
      id,
      status: 'ended',
      end_reason: 'stopped',
      tm_delete: expect.any(String),
    })
    await until(() => sent().includes('activeflow.deleted'))
    expect(sent().filter(type => type !== 'activeflow.updated')).toEqual(['activeflow.created', 'activeflow.ended', 'activeflow.deleted'])
    expect(await app.query('SELECT * FROM flow_timers WHERE timer_key = ?', [`run:${id}`])).toEqual([])
  })

  test('that has ended takes no variables', async () => {
    const { id } = await create({ actions: [] })
    await ended(id)
    await expect(app.call('setActiveflowVariables', { id, variables: { a: '1' } }, mine)).rejects.toMatchObject({
      reason: 'ACTIVEFLOW_ENDED',
    })
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
  const run = await app.call(
    'createActiveflow',
    { actions: [{ type: 'sleep', option: { duration: 3_600_000 } }], variables: {}, webhook_method: 'POST' },
    as,
  )
  await app.publish('customer', { event_type: 'customer.deleted', data: { id: as.customer_id } })
  await until(async () => (await app.call('getActiveflow', { id: run.id }, as)).status === 'ended')
  await until(async () => (await app.call('listFlows', { page_size: 50 }, as)).result.length === 0)
  await until(() => app.events.some(event => event.event_type === 'flow.deleted' && event.resource_id === made.id))
})
