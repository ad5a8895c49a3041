import { randomUUID } from 'node:crypto'
import { until } from '../../voip/testing/wait.ts'
import { bought, headersFor, type Stage } from './general-reasons.ts'
import { soundPath } from './mutations.ts'
import { unknown } from './rows.ts'
import { type Answer, bearer, key } from './world.ts'

interface Said {
  /** Path and query; ids of the path are those of the stage's rows unless given here. */
  at?: Record<string, string>
  body?: object
  headers?: Record<string, string>
}
export type Say = (operation: string, said?: Said) => Promise<Answer>

/** Asks an operation by its name: with the operator's or the customer's credentials, with the example's body unless told otherwise. */
export const sayOn =
  (stage: Stage): Say =>
  async (id, { at = {}, body, headers } = {}) => {
    const { world, rows } = stage
    const operation = world.operations.find(one => one.id === id)
    if (!operation) throw new Error(`there is no operation ${id}`)
    const own = operation.parameters.flatMap(({ name, in: where, schema }) => {
      const row = rows.get(schema['x-ref'] ?? '')
      return where === 'path' && row !== undefined ? [[name, row]] : []
    })
    const sent = body ?? (operation.body ? operation.body.example : undefined)
    return world.request(operation.method, soundPath(operation, world.document, { ...Object.fromEntries(own), ...at }), {
      body: sent === undefined ? undefined : JSON.stringify(sent),
      headers: headers ?? headersFor(operation, stage),
    })
  }

const wait = { type: 'sleep', option: { duration: 1_000 } }
const duplicates = [unknown, unknown].map(id => ({ id, ...wait }))
const astray = [{ type: 'goto', option: { target_id: unknown } }]
const conference = [{ type: 'connect', option: { destinations: [{ type: 'conference', target: unknown }] } }]
const large = Object.fromEntries(Array.from({ length: 70 }, (_, n) => [`v${n}`, 'x'.repeat(1_000)]))
const inside = 'https://user:secret@example.com/hook'
const source = { type: 'extension', target: '1001' }
const destinations = [source]

/** Reasons of single operations: what to arrange and what to ask. Which of them came is read from the answers. */
export const scripts: Readonly<Record<string, (say: Say, stage: Stage) => Promise<unknown>>> = {
  'actions that are wrong': async say => {
    for (const actions of [duplicates, astray, conference]) {
      await Promise.all([say('createFlow', { body: { name: 'f', actions } }), say('updateFlow', { body: { actions } })])
      await Promise.all([say('createActiveflow', { body: { actions } }), say('createCall', { body: { source, destinations, actions } })])
    }
  },
  'addresses of an agent that lead to an agent': async say => {
    const addresses = [{ type: 'agent', target: unknown }]
    const body = { username: `${randomUUID()}@contract.example`, password: 'correct horse', name: 'A', permissions: [], addresses }
    await Promise.all([say('createAgent', { body }), say('updateAgentAddresses', { body: { addresses } })])
  },
  'webhooks that lead inside, or carry credentials': async say => {
    const webhook_uri = inside
    await Promise.all([
      say('createActiveflow', { body: { actions: [wait], webhook_uri } }),
      say('createCall', { body: { source, destinations, webhook_uri } }),
      say('createCustomer', { body: { name: 'c', email: `${randomUUID()}@contract.example`, webhook_uri } }),
      say('updateCustomer', { body: { webhook_uri } }),
      say('updateOwnCustomer', { body: { webhook_uri } }),
      say('createWebhook', { body: { uri: inside } }),
      say('updateWebhook', { body: { uri: inside } }),
    ])
  },
  'a key that stands for no agent': async (say, { world, own }) => {
    const { token = '' } = await world.make('/v1.0/accesskeys', own, { name: 'no agent', scopes: ['flow_read'] })
    for (const id of ['getMe', 'getMeUnversioned', 'logout', 'refresh', 'updateMyPassword', 'updateMyStatus'])
      await say(id, { headers: key(token) })
  },
  'permissions that nobody has, or the caller has not': async say => {
    for (const permission of ['nothing_read', 'project_super_admin']) {
      const [permissions, scopes] = [[permission], [permission]]
      const agent = { username: `${randomUUID()}@contract.example`, password: 'correct horse', name: 'A', permissions, addresses: [] }
      await Promise.all([say('createAgent', { body: agent }), say('updateAgentPermissions', { body: { permissions } })])
      await Promise.all([say('createAccesskey', { body: { name: 'k', scopes } }), say('updateAccesskey', { body: { scopes } })])
    }
  },
  'credentials that reach further than the caller’s': async (say, { world, operator }) => {
    const all = ['project_super_admin']
    const strong = {
      username: `${randomUUID()}@contract.example`,
      password: 'correct horse',
      name: 'Strong',
      permissions: all,
      addresses: [],
    }
    const agent = { id: (await world.make('/v1.0/agents', operator, strong)).id }
    const accesskey = { id: (await world.make('/v1.0/accesskeys', operator, { name: 'strong', scopes: all })).id }
    await Promise.all(['updateAgentPassword', 'updateAgentPermissions', 'deleteAgent'].map(id => say(id, { at: agent })))
    await Promise.all(['updateAccesskey', 'rotateAccesskey', 'deleteAccesskey'].map(id => say(id, { at: accesskey })))
    await Promise.all([say('deleteAgent', { at: agent, headers: operator }), say('deleteAccesskey', { at: accesskey, headers: operator })])
  },
  'a run that goes on, and one that has ended': async (say, { world, own }) => {
    const actions = [{ type: 'sleep', option: { duration: 60_000 } }]
    await Promise.all([large, { 'voipbin.call.id': 'x' }].map(variables => say('createActiveflow', { body: { actions, variables } })))
    await say('createCall', { body: { source, destinations, actions, variables: large } })
    const { id } = await world.make('/v1.0/activeflows', own, { actions })
    const at = { id }
    await say('setActiveflowVariables', { at, body: { variables: large } })
    await say('setActiveflowVariables', { at, body: { variables: { 'voipbin.x': '' } } })
    await say('deleteActiveflowVariable', { at: { id, name: 'voipbin.x' } })
    await say('stopActiveflow', { at })
    await say('setActiveflowVariables', { at, body: { variables: { a: '1' } } })
    await say('deleteActiveflowVariable', { at: { id, name: 'a' } })
  },
  'the last administrator, and a password': async (say, { world, mine }) => {
    const headers = bearer(await world.login(mine))
    const { id } = (await say('getMe', { headers })).body
    await say('deleteAgent', { at: { id } })
    await say('updateAgentPermissions', { at: { id }, body: { permissions: ['customer_agent'] } })
    await say('updateMyPassword', { headers, body: { current_password: 'wrong horse', password: 'another horse' } })
  },
  'customers that are taken or protected': async (say, { world }) => {
    const operator = await world.operator()
    const home = (await world.request('GET', '/v1.0/me', { headers: operator })).body.customer_id as string
    await say('deleteCustomer', { at: { id: home } })
    await say('updateCustomer', { at: { id: home }, body: { status: 'frozen' } })
    const email = `${randomUUID()}@contract.example`
    const { id } = await world.make('/v1.0/customers', operator, { name: 'c', email })
    await Promise.all([say('createCustomer', { body: { name: 'd', email } }), say('updateCustomer', { body: { email } })])
    await say('updateOwnCustomer', { body: { email } })
    await say('deleteCustomer', { at: { id } })
  },
  'a key that has expired': async (say, { world, own }) => {
    const { id } = await world.make('/v1.0/accesskeys', own, { name: 'short', scopes: ['flow_read'], expire: 1 })
    const expired = async () => (await say('rotateAccesskey', { at: { id } })).body?.error?.reason === 'ACCESSKEY_EXPIRED'
    await until('the key has expired', expired)
  },
  'endpoints that are disabled, gone or too many': async (say, { world }) => {
    const spare = await world.customer({ credit: 0 })
    const headers = key(spare.accesskey)
    const { id } = await world.make('/v1.0/webhooks', headers, { uri: 'https://example.com/hook' })
    const at = { id: (await say('testWebhook', { at: { id }, headers })).body.id as string }
    const range = { tm_from: '2026-01-01T00:00:00Z' }
    const event_types = ['nothing.happened']
    await say('createWebhook', { headers, body: { uri: 'https://example.com/hook', event_types } })
    await say('updateWebhook', { at: { id }, headers, body: { event_types } })
    await say('createWebhookReplay', { headers, body: { ...range, webhook_id: id, event_types } })
    const twice = () => Promise.all([1, 2, 3].map(() => say('createWebhookReplay', { headers, body: { ...range, webhook_id: id } })))
    await until('a replay met another one', async () => (await twice()).some(({ body }) => body.error?.reason === 'WEBHOOK_REPLAY_RUNNING'))
    await say('updateWebhook', { at: { id }, headers, body: { status: 'disabled' } })
    await say('createWebhookReplay', { headers, body: { ...range, webhook_id: id } })
    await say('replayWebhookDelivery', { at, headers })
    await say('deleteWebhook', { at: { id }, headers })
    await say('replayWebhookDelivery', { at, headers })
    await say('createWebhookReplay', { headers, body: range })
    for (let n = 0; n < 51; n++) await say('createWebhook', { headers, body: { uri: 'https://example.com/hook' } })
  },
  'carriers and rates': async (say, { world, operator, mine }) => {
    const tech_headers = { Via: 'x' }
    const fields = { name: 'Reasons', hostname: '192.0.2.77' }
    await say('createProvider', { body: { ...fields, tech_headers } })
    const provider = await world.make('/v1.0/providers', operator, fields)
    await say('updateProvider', { at: { id: provider.id }, body: { tech_headers } })
    const route = { customer_id: mine.customer_id, provider_id: provider.id, priority: 1 }
    const first = await world.make('/v1.0/routes', operator, { ...route, target: '+1555778' })
    const second = await world.make('/v1.0/routes', operator, { ...route, target: '+1555779' })
    await say('createRoute', { body: { ...route, target: '+1555778' } })
    await say('updateRoute', { at: { id: second.id }, body: { target: '+1555778' } })
    await say('createRoute', { body: { ...route, provider_id: unknown, target: '+1555770' } })
    await say('deleteProvider', { at: { id: provider.id } })
    await say('createCall', { body: { source: { target: '+15559999999' }, destinations: [{ target: '+15557780001' }] } })
    for (const { id } of [first, second]) await say('deleteRoute', { at: { id } })
    await say('deleteProvider', { at: { id: provider.id } })
    const rate = { cost_type: 'call_pstn_outgoing', prefix: `+1${Math.floor(Math.random() * 1e9)}`, rate_per_unit: 1 }
    const { id } = (await say('createBillingRate', { body: rate })).body
    await say('createBillingRate', { body: rate })
    await say('deleteBillingRate', { at: { id } })
  },
  'nobody to call': async (say, { world, own, mine }) => {
    const me = (await world.request('GET', '/v1.0/me', { headers: own })).body.id as string
    const targets = [
      { type: 'agent', target: unknown },
      { type: 'agent', target: me },
      { type: 'extension', target: '9999' },
      { type: 'sip', target: mine.username },
    ]
    await Promise.all(targets.map(target => say('createCall', { body: { source, destinations: [target] } })))
  },
  'numbers that are not there': async say => {
    await say('createNumber', { body: { number: '+15550009999' } })
    await say('removeAvailableNumber', { at: { number: '+15550009999' } })
  },
  'no money': async (say, { world, operator }) => {
    const broke = await world.customer({ credit: 0 })
    const headers = key(broke.accesskey)
    const number = `+1${Math.floor(1e9 + Math.random() * 8e9)}`
    await world.make('/v1.0/available_numbers', operator, { numbers: [{ number, country: 'US' }] })
    await say('createNumber', { headers, body: { number } })
    await say('removeAvailableNumber', { at: { number } })
    const account = (await world.request('GET', '/v1.0/billing_account', { headers })).body.id as string
    await say('subtractBillingAccountBalance', { at: { id: account }, body: { amount: 1, detail: '' } })
    await say('addBillingAccountBalance', { at: { id: account }, body: { amount: 1_000_000_000, detail: '' } })
    const own = await bought({ world, operator }, headers)
    const { balance } = (await world.request('GET', '/v1.0/billing_account', { headers })).body as { balance: number }
    await say('subtractBillingAccountBalance', { at: { id: account }, body: { amount: balance, detail: '' } })
    const provider = await world.make('/v1.0/providers', operator, { name: 'Broke', hostname: '192.0.2.78' })
    const route = { customer_id: broke.customer_id, provider_id: provider.id, target: '+1555777' }
    const { id } = await world.make('/v1.0/routes', operator, route)
    await say('createCall', { headers, body: { source: { target: own }, destinations: [{ target: '+15557770001' }] } })
    await say('deleteRoute', { at: { id } })
    await say('deleteProvider', { at: { id: provider.id } })
  },
  'a call that is over': async (say, { world, own }) => {
    const { id } = await world.make('/v1.0/calls', own, { source, destinations })
    await until('the call is over', async () => (await say('getCall', { at: { id } })).body.status === 'completed')
    const acting = world.operations.filter(({ reasons }) => reasons.has('CALL_NOT_ACTIVE') || reasons.has('CALL_NOT_RECORDING'))
    for (const { id: name } of acting) await say(name, { at: { id } })
  },
}

/** What needs a call that somebody has answered: a recording under way, its file, and links to that. */
export async function talkingScript(say: Say, { world }: Stage, id: string): Promise<void> {
  const at = { id }
  await say('talkCall', { at, body: { text: 'x', language: 'tlh' } })
  const { recording_id } = (await say('startCallRecording', { at, body: {} })).body as { recording_id: string }
  await say('startCallRecording', { at, body: {} })
  await say('getRecordingFile', { at: { id: recording_id } })
  await say('stopCallRecording', { at })
  await until('the file is there', async () => (await say('getRecording', { at: { id: recording_id } })).body.file_id !== null)
  const file = (await say('getRecording', { at: { id: recording_id } })).body.file_id as string
  const link = async (expire: number) => {
    const { uri } = (await say('createDownloadUrl', { at: { id: file }, body: { expire } })).body as { uri: string }
    const { pathname, search } = new URL(uri)
    return pathname + search
  }
  const [short, long] = [await link(10), await link(3_600)]
  await world.request('GET', long.replace(/signature=../, 'signature=00'))
  await until('the link has expired', async () => (await world.request('GET', short)).status === 403)
  await say('deleteStorageFile', { at: { id: file } })
  await world.request('GET', long)
}
