import type { Action, ActionResult, Activeflow } from '@voipbin/generated/schemas'
import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestApp, testApp } from '../test-app.ts'
import { answer, digits, FakeCalls, FakeWebhooks, hangup, hook, type Started, talk, trace } from './flow-fixture.ts'
import flow from './service.ts'

const mine = { customer_id: uuid7() }
const call = new FakeCalls()
const hooks = new FakeWebhooks()
let app: TestApp

beforeAll(async () => {
  app = await testApp({ services: [flow], standIns: [call.service, hooks.service], env: { HTTP_ALLOW_PRIVATE: 'false' } })
})
afterAll(() => app.close())
beforeEach(() => {
  app.events.length = 0
  call.reset()
  hooks.sent.length = 0
})

/** Events of one run: those of a run before it may still arrive. */
const sent = (run: { id: string }) => app.events.filter(event => event.resource_id === run.id).map(event => event.event_type)

/** A run on a new call. */
async function start(
  actions: Action[],
  fields: { start_on_answer?: boolean; variables?: Record<string, string> } = {},
): Promise<Activeflow & { call_id: string }> {
  const input = {
    actions,
    reference_type: 'call' as const,
    reference_id: uuid7(),
    start_on_answer: false,
    variables: {},
    webhook_uri: null,
    webhook_method: 'POST' as const,
    ...fields,
  }
  return (await app.call('startActiveflow', input, mine)) as Activeflow & { call_id: string }
}
const read = (id: string): Promise<Activeflow> => app.call('getActiveflow', { id }, mine)
const ended = (id: string) =>
  until(async () => {
    const run = await read(id)
    return run.status === 'ended' ? run : undefined
  })
const reached = (type: Action['type'], nth = 1): Promise<Started> =>
  until(() => [...call.started.values()].filter(started => started.action.type === type)[nth - 1], { what: `${type} #${nth}` })
const finish = (run: { id: string; call_id: string }, started: Started, result: ActionResult = { outcome: 'ok' }) =>
  app.publish('call', {
    event_type: 'call.action_finished',
    resource_id: run.call_id,
    customer_id: mine.customer_id,
    data: { call_id: run.call_id, activeflow_id: run.id, action_run_id: started.action_run_id, result },
  })
const callEvent = (event_type: string, id: string) => app.publish('call', { event_type, data: { id, customer_id: mine.customer_id } })
const variables = async (id: string) => (await app.call('getActiveflowVariables', { id }, mine)).variables

describe('a run on a call', () => {
  test('goes from prompt to digits to branch and hangs up at the end', async () => {
    const [one, two] = [uuid7(), uuid7()]
    const menu: Action = {
      type: 'branch',
      option: { variable: 'voipbin.call.digits', target_ids: { '1': one, '2': two }, default_target_id: null },
    }
    const run = await start(
      [
        answer,
        talk('press ${what}'),
        digits,
        menu,
        { ...talk('one'), id: one },
        { ...talk('you pressed ${voipbin.call.digits}'), id: two },
      ],
      { variables: { what: 'a key' } },
    )
    expect(run).toMatchObject({
      status: 'running',
      end_reason: null,
      reference_type: 'call',
      call_id: run.reference_id,
      flow_id: null,
      current_action: null,
      executed_actions: [],
    })
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
    await until(() => sent(run).at(-1) === 'activeflow.ended')
    expect(sent(run)).toEqual(['activeflow.created', ...Array(4).fill('activeflow.updated'), 'activeflow.ended'])
    expect(JSON.stringify(app.events)).not.toContain('action_run_id')
  })

  test('asked for twice is one run', async () => {
    const reference_id = uuid7()
    const input = {
      actions: [talk()],
      reference_type: 'call' as const,
      reference_id,
      start_on_answer: false,
      variables: {},
      webhook_uri: null,
      webhook_method: 'POST' as const,
    }
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
    await until(() => sent(run).includes('activeflow.ended'))
    expect(trace(await read(run.id))).toEqual(['talk canceled'])
    expect(sent(run).filter(type => type === 'activeflow.ended')).toHaveLength(1)
    expect(call.hungup).not.toContain(run.call_id)
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
    expect(await app.call('stopActiveflow', { id: run.id }, mine)).toMatchObject({
      status: 'ended',
      end_reason: 'stopped',
      current_action: null,
    })
    expect(await app.call('stopActiveflow', { id: run.id }, mine)).toMatchObject({ end_reason: 'stopped' })
    expect(call.hungup.filter(id => id === run.call_id)).toHaveLength(1)
    await until(() => sent(run).includes('activeflow.ended'))
    expect(sent(run).filter(type => type === 'activeflow.ended')).toHaveLength(1)
  })

  test('a loop ends at its count', async () => {
    const top = uuid7()
    call.instantly = () => ({ outcome: 'ok' })
    const run = await start([
      { ...talk(), id: top },
      { type: 'goto', option: { target_id: top, loop_count: 3 } },
    ])
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
    expect(hooks.sent).toEqual([
      expect.objectContaining({
        activeflow_id: run.id,
        action_run_id: expect.any(String),
        uri: 'https://example.com/',
        data: '{"order":"A-1"}',
        sync,
      }),
    ])
    expect(trace(await read(run.id))).toEqual([`webhook_send ${outcome}`, 'talk runs'])
    const set = await variables(run.id)
    expect(set['voipbin.webhook.status_code']).toBe(status)
    expect(set['voipbin.webhook.body']).toBe(sync ? reply.body : undefined)
  })
})
