import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Action, Activeflow } from '@voipbin/generated/schemas'
import { type FaultPoint, isAppError, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestApp, testApp } from '../test-app.ts'
import { FakeCalls, FakeWebhooks, type Started } from './flow-fixture.ts'
import flow from './service.ts'

const mine = { customer_id: uuid7() }
const call = new FakeCalls()
const hooks = new FakeWebhooks()
const children = new Set<ChildProcess>()
let app: TestApp

beforeAll(async () => {
  app = await testApp({ services: [], elsewhere: [flow], standIns: [call.service, hooks.service] })
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await app.close()
})

/** Loads the next process while this one is running. */
function spawn(fault?: string): ChildProcess {
  const { amqp_url, mysql_url, prefix } = app.address
  const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'voipbin-test-compile'), ...(fault && { VOIPBIN_FAULT_POINT: fault }) }
  const child = fork(new URL('flow-process.ts', import.meta.url), [amqp_url, mysql_url, prefix], { env, execArgv: [] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** One after another, each killed at its point; the last one lives. */
async function lives(faults: readonly string[], isOver: () => boolean): Promise<void> {
  let next: ChildProcess | undefined = spawn(faults[0])
  for (let life = 1; next; life++) {
    const child: ChildProcess = next
    next = life <= faults.length ? spawn(faults[life]) : undefined
    child.send('go')
    if (next) await Promise.race([once(child, 'exit'), until(isOver, { timeout_ms: 60_000 })])
    if (isOver()) break
  }
  if (next) next.kill('SIGKILL')
}

/** Asks again while nobody is there, as one request. */
async function insist(input: Parameters<typeof app.call<'startActiveflow'>>[1]): Promise<Activeflow> {
  const message_id = uuid7()
  for (;;) {
    try {
      return await app.call('startActiveflow', input, { ...mine, deadline: Date.now() + 2_000 }, { message_id })
    } catch (error) {
      if (!isAppError(error) || !['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.status)) throw error
      const again = Date.now() + 50
      await until(() => Date.now() > again)
    }
  }
}

const points: FaultPoint[] = ['outbox.after_commit', 'consumer.before_ack', 'timer.before_done', 'rpc.before_ack', 'outbox.before_delete']

test('a run continues where it stood, whenever its process is killed, and nothing is done twice', async () => {
  const top = uuid7()
  const talk = (text: string): Action => ({ type: 'talk', option: { text, language: 'en-US' } })
  const actions: Action[] = [
    { type: 'answer', option: {} },
    { ...talk('round ${voipbin.call.digits}'), id: top },
    { type: 'digits_receive', option: { duration: 1000, length: 1, key: '' } },
    {
      type: 'webhook_send',
      option: { uri: 'https://example.com/', method: 'POST', data_type: 'text/plain', data: '${voipbin.call.digits}', sync: true },
    },
    { type: 'sleep', option: { duration: 50 } },
    { type: 'goto', option: { target_id: top, loop_count: 3 } },
    { type: 'recording_start', option: { format: 'wav', end_of_silence: 0, end_of_key: 'none', duration: 0, beep_start: false } },
    { type: 'hangup', option: { reason: 'normal_clearing' } },
  ]
  const round = ['talk', 'digits_receive', 'webhook_send', 'sleep', 'goto']
  const expected = ['answer', ...round, ...round, ...round, ...round, 'recording_start', 'hangup']

  // Waiting actions end as soon as they have begun, by an event, as on a real call.
  const call_id = uuid7()
  const told = new Set<string>()
  let rounds = 0
  const end = async ({ activeflow_id, action_run_id, action }: Started) => {
    const result = action.type === 'digits_receive' ? { outcome: 'ok', digits: String(++rounds) } : { outcome: 'ok' }
    await app.publish('call', {
      event_type: 'call.action_finished',
      resource_id: call_id,
      customer_id: mine.customer_id,
      data: { call_id, activeflow_id, action_run_id, result },
    })
  }
  let over = false
  const playing = (async () => {
    while (!over) {
      const started = await until(
        () =>
          over ||
          [...call.started.values()].find(one => ['talk', 'digits_receive'].includes(one.action.type) && !told.has(one.action_run_id)),
        { timeout_ms: 60_000 },
      )
      if (started === true) return
      told.add(started.action_run_id)
      await end(started)
    }
  })()

  const faults = points.flatMap(point => [`${point}:1`, `${point}:2`, `${point}:4`])
  const living = lives(faults, () => over)
  const run = await insist({
    actions,
    reference_type: 'call',
    reference_id: call_id,
    start_on_answer: false,
    variables: {},
    webhook_uri: null,
    webhook_method: 'POST',
  })
  const stored = async () =>
    (await app.query<Record<string, string>>('SELECT status, end_reason, executed_actions FROM flow_activeflows WHERE id = ?', [run.id]))[0]
  await until(async () => (await stored())?.status === 'ended', { timeout_ms: 240_000, what: 'the end of the run' })
  await until(() => app.events.some(event => event.event_type === 'activeflow.ended'))
  over = true
  await Promise.all([playing, living])

  const { end_reason, executed_actions = '[]' } = (await stored()) ?? {}
  const trace = (typeof executed_actions === 'string' ? JSON.parse(executed_actions) : executed_actions) as Activeflow['executed_actions']
  expect(end_reason).toBe('completed')
  expect(trace.map(({ type, result }) => `${type} ${result?.outcome}`)).toEqual(expected.map(type => `${type} ok`))
  // Each execution has one id, however often it was asked for.
  expect([...call.started.values()].map(({ action }) => action.type)).toEqual(
    expected.filter(type => !['webhook_send', 'sleep', 'goto'].includes(type)),
  )
  expect([...new Map(hooks.sent.map(sent => [sent.action_run_id, sent.data])).values()]).toEqual(['1', '2', '3', '4'])
  expect(app.events.filter(event => event.event_type === 'activeflow.created')).toHaveLength(1)
  expect(app.events.filter(event => event.event_type === 'activeflow.ended')).toHaveLength(1)
}, 300_000)
