import { errors } from '@voipbin/generated/errors'
import { agentContract } from '@voipbin/generated/rpc/agent'
import type { Calls } from '@voipbin/generated/rpc/calls'
import { customerContract } from '@voipbin/generated/rpc/customer'
import { registrarContract } from '@voipbin/generated/rpc/registrar'
import { storageContract } from '@voipbin/generated/rpc/storage'
import { ttsContract } from '@voipbin/generated/rpc/tts'
import type { Action, Address, Call, CallCreated } from '@voipbin/generated/schemas'
import {
  type Bus,
  type Context,
  createLogger,
  type Database,
  type In,
  noCache,
  openBus,
  openDb,
  openHttp,
  type Running,
  serve,
  uuid7,
} from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import billing from '../billing/service.ts'
import flow from '../flow/service.ts'
import number from '../number/service.ts'
import route from '../route/service.ts'
import { standIn, type TestApp, testApp } from '../test-app.ts'
import { AsteriskFixture } from './asterisk-fixture.ts'
import call from './service.ts'

export const operator = { customer_id: uuid7() }
export const theirs = { customer_id: uuid7() }
export const missing = uuid7()
export let mine: { customer_id: string }
export let app: TestApp
export let asterisk: AsteriskFixture
/** A number that `mine` owns. */
export let own: string
/** Agents and what rings for them. */
export const agents = new Map<string, { addresses: Address[]; ring_method: 'ring_all' | 'linear' }>()
export const extensions = new Set(['1001', '1002', '1003'])
export const stored: In<Calls, 'createFileFromRecording'>[] = []
let drawn = 0

/** Customers that an operator has frozen. */
export const frozen = new Set<string>()

const neighbours = [
  standIn<'getCustomerLimits'>(customerContract, {
    getCustomerLimits: async (_ctx: Context, { id }: In<Calls, 'getCustomerLimits'>) =>
      ({ customer_id: id, status: frozen.has(id) ? 'frozen' : 'active' }) as never,
  }),
  standIn<'listExtensionContacts'>(registrarContract, {
    listExtensionContacts: async (ctx: Context, { extension }: In<Calls, 'listExtensionContacts'>) => {
      if (!extensions.has(extension)) throw ctx.error('EXTENSION_NOT_FOUND')
      return { extension, domain: `${ctx.customer_id}.registrar.test`, contacts: [] } as never
    },
  }),
  standIn<'listAgentAddresses'>(agentContract, {
    listAgentAddresses: async (ctx: Context, { id }: In<Calls, 'listAgentAddresses'>) => {
      const found = agents.get(id)
      if (!found) throw ctx.error('AGENT_NOT_FOUND')
      return { agent_id: id, ...found } as never
    },
  }),
  standIn<'createSpeech'>(ttsContract, {
    createSpeech: async (ctx: Context, { text, language }: In<Calls, 'createSpeech'>) => {
      if (language === 'xx') throw ctx.error('LANGUAGE_NOT_SUPPORTED' as never)
      return { media_uri: `http://tts/${text}.wav`, duration_ms: 500 } as never
    },
  }),
  standIn<'createFileFromRecording' | 'createDownloadUrl' | 'deleteStorageFile'>(storageContract, {
    createFileFromRecording: async (_ctx: Context, input: In<Calls, 'createFileFromRecording'>) => {
      stored.push(input)
      return { id: uuid7(), filesize: 4_711 } as never
    },
    createDownloadUrl: async (_ctx: Context, { id }: In<Calls, 'createDownloadUrl'>) => ({ url: `http://files/${id}` }) as never,
    deleteStorageFile: async (_ctx: Context, { id }: In<Calls, 'deleteStorageFile'>) => ({ id }) as never,
  }),
]

/** The call service, twice and in a place of its own: it can be stopped and started while everything else goes on. */
let buses: Bus[] = []
let database: Database
let running: Running[] = []
const http = openHttp({ allow_private: true })
const log = createLogger({ service: 'call', level: process.env.TEST_LOG === 'debug' ? 'debug' : 'silent' })
export async function startCall(): Promise<void> {
  const common = {
    database,
    cache: noCache,
    http,
    log,
    errors,
    env: { SIP_DOMAIN: 'test', HTTP_ALLOW_ADDRESSES: '192.0.2.0/24' },
    grace_ms: 2_000,
  }
  running = await Promise.all(buses.map(bus => serve([call], { ...common, bus })))
}
export async function stopCall(): Promise<void> {
  await Promise.all(running.map(one => one.close()))
  running = []
}

beforeAll(async () => {
  const services = [number, route, billing, flow]
  app = await testApp({ services, elsewhere: [call], standIns: neighbours })
  const { amqp_url, prefix } = app.address
  buses = [await openBus({ url: amqp_url, log, prefix }), await openBus({ url: amqp_url, log, prefix })]
  database = openDb({ url: app.address.mysql_url, pool_max: 20 })
  await startCall()
  asterisk = new AsteriskFixture(app.bus, 'asterisk-call-1')
  await asterisk.open()
  await until(async () => (await app.query('SELECT * FROM call_asterisks WHERE connected = 1')).length === 1)
})
afterAll(async () => {
  await stopCall()
  await asterisk.close()
  for (const bus of buses) await bus.close()
  await database.close()
  await http.close()
  await app.close()
})
beforeEach(async () => {
  mine = await customer()
  own = await numberOf(mine)
  app.events.length = 0
  stored.length = 0
})
afterEach(async () => {
  asterisk.refuses.clear()
  asterisk.held = undefined
  // Dialled after they were answered: the next test is not to see them.
  await until(async () => (await app.query("SELECT 1 FROM call_timers WHERE name = 'dial_now'")).length === 0)
  asterisk.asked.length = 0
})

/** A customer with credit, in micro-USD. */
export async function customer(credit = 100_000_000): Promise<{ customer_id: string }> {
  const as = { customer_id: uuid7() }
  const { id } = await app.call('getOwnBillingAccount', {}, as)
  if (credit > 0) await app.call('addBillingAccountBalance', { id, amount: credit, detail: '' }, operator)
  return as
}

export async function numberOf(as: { customer_id: string }, call_flow_id: string | null = null): Promise<string> {
  const fresh = `+1555${String(++drawn).padStart(7, '0')}`
  await app.call('addAvailableNumbers', { numbers: [{ number: fresh, country: 'US', region: '', features: ['voice'] }] }, operator)
  const settings = { call_flow_id, message_flow_id: null, name: 'Hotline', detail: '' }
  const { id } = await app.call('getOwnBillingAccount', {}, as)
  await app.call('addBillingAccountBalance', { id, amount: 5_000_000, detail: '' }, operator)
  await app.call('createNumber', { number: fresh, ...settings }, as)
  return fresh
}

/** Carriers for numbers that begin so, in order; answers their ids. */
export async function carriers(target: string, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let priority = 1; priority <= count; priority++) {
    const place = {
      name: `c${priority}`,
      hostname: `c${priority}.carrier.test`,
      port: 5060,
      transport: 'udp' as const,
      tech_headers: { 'X-Via': `c${priority}` },
    }
    const rest = { detail: '', status: 'enabled' as const, tech_prefix: '', tech_postfix: '', codecs: ['PCMU' as const], allowed_ips: [] }
    const { id } = await app.call('createProvider', { ...place, ...rest }, operator)
    await app.call('createRoute', { provider_id: id, target, priority, name: '', detail: '' }, operator)
    ids.push(id)
  }
  return ids
}

export const create = (
  destinations: In<Calls, 'createCall'>['destinations'],
  fields: Partial<In<Calls, 'createCall'>> = {},
  as = mine,
): Promise<CallCreated> =>
  app.call(
    'createCall',
    { source: { target: own }, destinations, variables: {}, dial_timeout: 60, max_duration: 14_400, webhook_method: 'POST', ...fields },
    as,
  )
export const read = (id: string, as = mine): Promise<Call> => app.call('getCall', { id }, as)
/** The channel of a call's attempt under way, once it has been dialled: that is after its making was answered. */
export const channelOf = (id: string, as = mine): Promise<string> =>
  until(
    async () => {
      const { channel_id, status } = await read(id, as)
      return channel_id && (status === 'completed' || asterisk.of('createChannel', channel_id).length > 0) ? channel_id : undefined
    },
    { what: 'the call to be dialled' },
  )
/** Waits until the call is in this status. */
export const reach = (id: string, status: Call['status']): Promise<Call> =>
  until(
    async () => {
      const row = await read(id)
      return row.status === status ? row : undefined
    },
    { what: `call ${status}` },
  )

/** Public events of one call, in the order they came; `call.updated` with its status. */
export const told = (id: string): string[] =>
  app.events
    .filter(event => event.resource_id === id && event.event_type !== 'call.action_finished')
    .map(event =>
      event.event_type === 'call.updated' ? `updated ${(event.data as Call).status}` : event.event_type.replace(/^call\./, ''),
    )
/** Waits for the last event of a call and answers all. */
export async function story(id: string, last = 'hungup'): Promise<string[]> {
  await until(() => told(id).at(-1) === last, { what: `${last} as the last event of call ${id}` })
  return told(id)
}
/** Makes a timer of a call due now. */
export const due = (key: string) => app.query("UPDATE call_timers SET tm_due = '2020-01-01' WHERE timer_key = ?", [key])
export const balance = async (as = mine) => await app.call('getOwnBillingAccount', {}, as)
export const billingOf = async (id: string, as = mine) =>
  (await app.call('listBillings', { page_size: 10, reference_id: id }, as)).result[0]
export const addsUp = async (as = mine): Promise<boolean> => {
  const rows = (await app.call('listBillings', { page_size: 100 }, as)).result
  const account = await balance(as)
  return (
    rows.reduce((sum, row) => sum + row.amount, 0) === account.balance &&
    rows.reduce((sum, row) => sum + row.amount_reserved, 0) === account.balance_reserved
  )
}

export const sip = { type: 'sip' as const, target: 'sip:bob@example.com' }
export const extension = (target = '1001') => ({ type: 'extension' as const, target })

/** A call that is answered. */
export async function talking(): Promise<{ id: string; channel_id: string }> {
  const { id } = await create([sip])
  const channel_id = await channelOf(id)
  await asterisk.answer(channel_id)
  await reach(id, 'active')
  return { id, channel_id }
}

/** Calls that are over, older than any other. */
export async function pastCalls(count: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`)
  const names = ['owner_type', 'type', 'direction', 'status', 'source_target', 'destination_target']
  const texts = ['customer', 'flow', 'outgoing', 'completed', own, sip.target]
  const columns = `id, customer_id, owner_id, ${names}, chained_call_ids, source, destination, recording_ids, dialroutes, dial_timeout, max_duration`
  const row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', '{}', '{}', '[]', '[]', 60, 60, '2020-01-01', '2020-01-01')"
  const values = ids.flatMap(id => [id, mine.customer_id, mine.customer_id, ...texts])
  await app.query(`INSERT INTO call_calls (${columns}, tm_create, tm_update) VALUES ${ids.map(() => row)}`, values)
}

/** Actions of a flow. */
export const talk = (text = 'hello'): Action => ({ type: 'talk', option: { text, language: 'en-US' } })
export const hangup: Action = { type: 'hangup', option: { reason: 'normal_clearing' } }
export const digits = (option: object = {}): Action => ({
  type: 'digits_receive',
  option: { duration: 60_000, length: 0, key: '', ...option },
})
