// Makes what a new installation needs to be tried: two demo customers, the self-test's customer, and a carrier. Everything goes through the public
// API as the operator's super admin. Safe at every start: what is there stays, what is missing is made.
import type { VoIPBIN } from '@voipbin/sdk'
import { isAccepted, type Login, signedIn, signIn, signInSoon, withAccessKey } from './api.ts'
import { DEMO_FLOW, demoActions, SELF_TEST_FLOW, selfTestActions } from './demo-flow.ts'
import { SUPER_ADMIN } from './own-processes.ts'
import { CARRIER_IP } from './ports.ts'
import { type AccountSecrets, saveSecrets } from './secrets.ts'
import type { Setup } from './setup.ts'
import type { Demo, State } from './state.ts'

export interface Seeded {
  demo: Demo
  demo_other: Demo
  self_test: SelfTestAccount
}
/** What the self-test calls, and how it looks at the call afterwards. */
export interface SelfTestAccount {
  number: string
  accesskey: string
}

interface Plan {
  key: 'demo' | 'demo_other' | 'self_test'
  name: string
  email: string
  username: string
  extensions: readonly string[]
  number: string
  flow: { name: string; actions: typeof demoActions }
}

const demoFlow = { name: DEMO_FLOW, actions: demoActions }
const PLANS: readonly Plan[] = [
  plan('demo', 'Demo', ['1001', '1002'], '+12025550100', demoFlow),
  plan('demo_other', 'Demo, the other one', ['1001', '1002'], '+12025550110', demoFlow),
  plan('self_test', 'Self-test', [], '+12025550199', { name: SELF_TEST_FLOW, actions: selfTestActions }),
]

function plan(key: Plan['key'], name: string, extensions: string[], number: string, flow: Plan['flow']): Plan {
  const username = `${key.replace('_', '-')}@voipbin.example`
  return { key, name, email: username, username, extensions, number, flow }
}

/** Numbers anybody may take: all of the ones that North America keeps for fiction. */
const STOCK = Array.from({ length: 100 }, (_, n) => `+12025550${100 + n}`)
/** Per minute. Tests and tinkering need more than a customer does. */
const RATE_LIMITS = { api: 100_000, call_create: 10_000, message_create: 10_000, login: 1_000 }
const CREDIT = 100_000_000
const CREDIT_LOW = 20_000_000
const CARRIER = 'Demo carrier'

/** Brings the seed up to date. `state` says where the platform is. */
export async function seed(setup: Setup, state: State): Promise<Seeded> {
  const operator: Login = { username: SUPER_ADMIN, password: setup.secrets.super_admin_password }
  // the agent service makes this user at its first start, after it has begun to answer
  await signInSoon(state.api_url, operator, 20_000)
  const admin = signedIn(state.api_url, operator)
  await Promise.all([seedCarrier(admin, setup), admin.availableNumbers.add({ numbers: STOCK.map(number => ({ number, country: 'US' })) })])
  const [demo, demo_other, self_test] = await Promise.all(PLANS.map(one => seedCustomer(admin, setup, state, one)))
  if (!demo || !demo_other || !self_test) throw new Error('a plan is missing')
  return { demo, demo_other, self_test: { number: self_test.number, accesskey: self_test.accesskey } }
}

/** The carrier that the self-test plays; calls to any number go there. */
async function seedCarrier(admin: VoIPBIN, { ports }: Setup): Promise<void> {
  const wanted = { hostname: CARRIER_IP, port: ports.carrier, allowed_ips: [CARRIER_IP] }
  const known = await first(admin.providers.list(), provider => provider.name === CARRIER)
  const carrier = known ?? (await admin.providers.create({ name: CARRIER, detail: 'On this machine, for tests', ...wanted }))
  if (carrier.port !== wanted.port || carrier.status !== 'enabled')
    await admin.providers.update(carrier.id, { ...wanted, status: 'enabled' })
  const route = await first(admin.routes.list({ provider_id: carrier.id, target: 'all' }), row => row.scope === 'default')
  if (!route) await admin.routes.create({ name: `All by ${CARRIER}`, provider_id: carrier.id, target: 'all', priority: 100 })
}

async function seedCustomer(admin: VoIPBIN, setup: Setup, state: State, plan: Plan): Promise<Demo> {
  const kept = setup.secrets[plan.key]
  const customer_id = await ensureCustomer(admin, setup, plan, kept)
  const acting = { headers: { 'x-voipbin-customer-id': customer_id } }
  const login = { username: plan.username, password: kept.password }
  await ensureAgent(admin, state, acting, plan, login)
  const mine = signedIn(state.api_url, login)
  const accesskey = await ensureAccessKey(mine, setup, state, kept)
  await ensureCredit(admin, acting)
  const extensions = await Promise.all(plan.extensions.map((name, n) => ensureExtension(mine, name, kept.extension_passwords[n] ?? '')))
  const flow = await ensureFlow(mine, plan)
  const number = await first(mine.numbers.list({ number: plan.number }))
  if (!number) await mine.numbers.create({ number: plan.number, call_flow_id: flow.id, name: plan.name })
  else if (number.call_flow_id === null) await mine.numbers.update(number.id, { call_flow_id: flow.id })
  return { customer_id, ...login, accesskey, webhook_secret: kept.webhook_secret ?? '', extensions, number: plan.number }
}

async function ensureCustomer(admin: VoIPBIN, setup: Setup, { name, email }: Plan, kept: AccountSecrets): Promise<string> {
  const known = await first(admin.customers.list({ email }))
  if (known && known.id === kept.customer_id && kept.webhook_secret !== null) return known.id
  // the secret is shown once: of a customer whose secret was lost it is made anew
  const { id, webhook_secret } = known
    ? await admin.customers.rotateWebhookSecret({ overlap: 0 }, { headers: { 'x-voipbin-customer-id': known.id } })
    : await admin.customers.create({ name, email, rate_limits: RATE_LIMITS })
  Object.assign(kept, { customer_id: id, webhook_secret, accesskey: null })
  saveSecrets(setup.paths, setup.secrets)
  return id
}

type Acting = { headers: Record<string, string> }

async function ensureAgent(
  admin: VoIPBIN,
  state: State,
  acting: Acting,
  { name, username, extensions }: Plan,
  login: Login,
): Promise<void> {
  const known = await first(admin.agents.list({}, acting), agent => agent.username === username)
  if (!known) {
    const addresses = extensions.slice(0, 1).map(target => ({ type: 'extension' as const, target }))
    await admin.agents.create({ ...login, name: `${name}: administrator`, permissions: ['customer_admin'], addresses }, acting)
  } else if (!(await isAccepted(signIn(state.api_url, login)))) {
    await admin.agents.updatePassword(known.id, { password: login.password }, acting)
  }
}

async function ensureAccessKey(mine: VoIPBIN, setup: Setup, state: State, kept: AccountSecrets): Promise<string> {
  if (kept.accesskey !== null && (await isAccepted(withAccessKey(state.api_url, kept.accesskey).customers.getOwn()))) return kept.accesskey
  const { token } = await mine.accesskeys.create({ name: 'Made by npm start', scopes: ['customer_admin'] })
  kept.accesskey = token
  saveSecrets(setup.paths, setup.secrets)
  return token
}

async function ensureCredit(admin: VoIPBIN, acting: Acting): Promise<void> {
  const account = await admin.billingAccounts.getOwn(acting)
  if (account.balance - account.balance_reserved >= CREDIT_LOW) return
  await admin.billingAccounts.addBalance(account.id, { amount: CREDIT, detail: 'Credit to try things with' })
}

/** A demo flow may be changed by whoever tries things; what the self-test expects is put back. */
async function ensureFlow(mine: VoIPBIN, { key, flow }: Plan): Promise<{ id: string }> {
  const known = await first(mine.flows.list({ name: flow.name }))
  if (!known) return mine.flows.create(flow)
  return key === 'self_test' ? mine.flows.update(known.id, { actions: flow.actions }) : known
}

/** The password is set at every start, so that the one told is the one that works. */
async function ensureExtension(mine: VoIPBIN, extension: string, password: string): Promise<Demo['extensions'][number]> {
  const known = await first(mine.extensions.list({ extension }))
  const { username, domain } = known
    ? await mine.extensions.update(known.id, { password })
    : await mine.extensions.create({ extension, password, name: `Demo phone ${extension}` })
  return { extension, username, password, domain }
}

async function first<T>(rows: AsyncIterable<T>, fits: (row: T) => boolean = () => true): Promise<T | undefined> {
  for await (const row of rows) if (fits(row)) return row
  return undefined
}
